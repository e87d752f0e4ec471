"""The tallies of what there was before them, counted in one statement while decisions go on."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("approvals", "0045_large_indexes")]
    operations = [migrations.RunSQL("select approvals_tally_refill();", migrations.RunSQL.noop)]
