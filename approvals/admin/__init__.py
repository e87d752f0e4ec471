"""The Django admin, one noun a file; importing it registers every page."""

from . import access, decisions, groups, jobs, people, policies, records, site

__all__ = ["access", "decisions", "groups", "jobs", "people", "policies", "records", "site"]
