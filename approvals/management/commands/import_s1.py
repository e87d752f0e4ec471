"""manage.py import_s1: import what was decided in the reference API."""

from approvals.management.importing import ImportCommand
from approvals.management.other_systems import REFERENCE_API


class Command(ImportCommand):
    help = "Import what was decided in the reference API; see docs/migrating.md."
    name = "import_s1"
    system = REFERENCE_API
