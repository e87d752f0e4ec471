"""Tell people and programs what happened: notices, items of the inbox, deliveries and their channels. It knows nobody's
rules: who is told what is decided by the caller of `services.notices.notify`."""
