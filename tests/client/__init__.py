"""The client of `client/`, against stand-ins of a service and against the product."""
