"""A time as answers say it, for the statements that compose them."""

from django.db import migrations

# As DjangoJSONEncoder writes it: in UTC with a Z, cut to milliseconds, without a fraction on a full second; null for
# a clock that never ends.
MOMENT = """
create function approvals_moment(at timestamptz) returns text language sql stable as $$
    select case
        when at = '9999-12-31 00:00Z' then null
        when date_trunc('second', at) = at then to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        else to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    end
$$
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0046_tallied")]
    operations = [migrations.RunSQL(MOMENT, "drop function approvals_moment(timestamptz)")]
