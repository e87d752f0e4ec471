"""The Django admin, one noun a file; importing it registers every page."""

from . import access, decisions, jobs, people, policies, records, site

__all__ = ["access", "decisions", "jobs", "people", "policies", "records", "site"]
