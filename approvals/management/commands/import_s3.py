"""manage.py import_s3: import what was decided in the workflow gates."""

from approvals.management.importing import ImportCommand
from approvals.management.other_systems import WORKFLOW_GATES


class Command(ImportCommand):
    help = "Import what was decided in the workflow gates; see docs/migrating.md."
    name = "import_s3"
    system = WORKFLOW_GATES
