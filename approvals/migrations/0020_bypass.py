"""Emergency bypasses, who approved under one, what was judged of it; and no approval by fewer people without one."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

FORWARD = """
-- What was asked never changes; it is granted by a second person for the time that was asked, and may end early, once.
create function approvals_bypass_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.state <> 'asked' then
            raise exception 'a bypass begins by being asked for'
                using errcode = '23514', constraint = 'bypass_transition';
        end if;
        return new;
    end if;
    if tg_op = 'DELETE' or (old.id, old.holder_id, old.decision_id, old.ecosystem, old.package_name, old.reason_id,
        old.seconds, old.asked_by_id, old.asked_at) is distinct from (new.id, new.holder_id, new.decision_id,
        new.ecosystem, new.package_name, new.reason_id, new.seconds, new.asked_by_id, new.asked_at)
        or (old.state <> 'asked' and (old.decided_by_id, old.decided_at, old.ends_at)
            is distinct from (new.decided_by_id, new.decided_at, new.ends_at))
    then
        raise exception 'what was asked and granted never changes' using errcode = '42501';
    end if;
    if not (old.state = 'asked' and new.state in ('granted', 'refused', 'withdrawn')
            or old.state = 'granted' and new.state = 'ended')
    then
        raise exception 'a bypass cannot go from % to %', old.state, new.state
            using errcode = '23514', constraint = 'bypass_transition';
    end if;
    if new.state = 'granted' and new.ends_at <> new.decided_at + new.seconds * interval '1 second' then
        raise exception 'a bypass runs for the time that was asked'
            using errcode = '23514', constraint = 'bypass_time_as_asked';
    end if;
    return new;
end $$;
create trigger approvals_bypass_guard before insert or update or delete on approvals_bypass
    for each row execute function approvals_bypass_guard();
alter table approvals_bypass enable always trigger approvals_bypass_guard;
create trigger approvals_bypass_no_truncate before truncate on approvals_bypass
    for each statement execute function approvals_refuse_change();
alter table approvals_bypass enable always trigger approvals_bypass_no_truncate;

-- A bypass is used in the moment of approval, by its holder, on the page, while it runs, for what it names.
create function approvals_bypass_use_guard() returns trigger language plpgsql as $$
begin
    if old.status <> 'pending' or new.status <> 'approved' or new.channel <> 'page' or not exists (
        select from approvals_bypass bypass join approvals_patch patch on patch.id = new.patch_id
        where bypass.id = new.bypass_id and bypass.state = 'granted' and bypass.holder_id = new.decided_by_user_id
            and bypass.decided_at <= new.decided_at and bypass.ends_at > new.decided_at
            and (bypass.decision_id = new.id or bypass.decision_id is null
                 and bypass.ecosystem = patch.ecosystem and bypass.package_name = patch.package_name)
    ) or not exists (
        select from approvals_review where decision_id = new.id and reviewer_id = new.decided_by_user_id
            and verdict = 'approve' and withdrawn_at is null and delegated_from_id is null
    ) then
        raise exception 'no running bypass of the person who approved covers this'
            using errcode = '23514', constraint = 'decision_bypass_runs';
    end if;
    return new;
end $$;
create trigger approvals_bypass_use_guard before update on approvals_decision
    for each row when (new.bypass_id is distinct from old.bypass_id) execute function approvals_bypass_use_guard();
alter table approvals_decision enable always trigger approvals_bypass_use_guard;

-- Nobody judges their own use of a bypass, and a judgement stands.
create function approvals_bypassreview_guard() returns trigger language plpgsql as $$
begin
    if not exists (
        select from approvals_decision decision join approvals_bypass bypass on bypass.id = decision.bypass_id
        where decision.id = new.decision_id and bypass.holder_id <> new.reviewed_by_id
    ) then
        raise exception 'a use of a bypass is reviewed by somebody else'
            using errcode = '23514', constraint = 'bypass_reviewed_by_another';
    end if;
    return new;
end $$;
create trigger approvals_bypassreview_guard before insert on approvals_bypassreview
    for each row execute function approvals_bypassreview_guard();
alter table approvals_bypassreview enable always trigger approvals_bypassreview_guard;
create trigger approvals_bypassreview_no_change before update or delete on approvals_bypassreview
    for each row execute function approvals_refuse_change();
alter table approvals_bypassreview enable always trigger approvals_bypassreview_no_change;
create trigger approvals_bypassreview_no_truncate before truncate on approvals_bypassreview
    for each statement execute function approvals_refuse_change();
alter table approvals_bypassreview enable always trigger approvals_bypassreview_no_truncate;
"""
BACKWARD = """
drop trigger approvals_bypassreview_no_truncate on approvals_bypassreview;
drop trigger approvals_bypassreview_no_change on approvals_bypassreview;
drop trigger approvals_bypassreview_guard on approvals_bypassreview;
drop function approvals_bypassreview_guard();
drop trigger approvals_bypass_use_guard on approvals_decision;
drop function approvals_bypass_use_guard();
drop trigger approvals_bypass_no_truncate on approvals_bypass;
drop trigger approvals_bypass_guard on approvals_bypass;
drop function approvals_bypass_guard();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0019_group_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="BypassReview",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("justified", models.BooleanField()),
                ("reviewed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Bypass",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ecosystem", models.CharField(blank=True, max_length=255)),
                ("package_name", models.CharField(blank=True, max_length=255)),
                ("seconds", models.PositiveIntegerField(help_text="How long it runs once it is granted.")),
                ("asked_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Waits for a second person"),
                            ("granted", "Granted"),
                            ("refused", "Refused"),
                            ("withdrawn", "Withdrawn"),
                            ("ended", "Ended early"),
                        ],
                        default="asked",
                        max_length=9,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(help_text="When a granted one ends by itself.", null=True)),
                ("ended_at", models.DateTimeField(help_text="When somebody ended it before its time.", null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        help_text="Who granted or refused it.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "decision",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="approvals.decision",
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "holder",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bypasses",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "reason",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.text"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "bypasses",
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="decision",
            name="bypass",
            field=models.ForeignKey(
                db_index=False,
                help_text="The emergency bypass under which it was approved alone.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="uses",
                to="approvals.bypass",
            ),
        ),
        migrations.AddIndex(
            model_name="decision",
            index=models.Index(
                models.F("bypass"), condition=models.Q(("bypass__isnull", False)), name="decision_by_bypass"
            ),
        ),
        # Not valid: rows of before stand. Who goes back to 0017 loses which approvals had a bypass, and comes forward again.
        AddConstraintNotValid(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "approved"), _negated=True),
                    ("approvals__gte", models.F("required_approvals")),
                    ("bypass__isnull", False),
                    _connector="OR",
                ),
                name="decision_approved_by_enough",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("bypass__isnull", True), ("status__in", ["approved", "revoked"]), _connector="OR"),
                name="decision_bypass_approves",
            ),
        ),
        migrations.AddField(
            model_name="bypassreview",
            name="decision",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="bypass_review", to="approvals.decision"
            ),
        ),
        migrations.AddField(
            model_name="bypassreview",
            name="note",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.text"),
        ),
        migrations.AddField(
            model_name="bypassreview",
            name="reviewed_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddIndex(
            model_name="bypass",
            index=models.Index(fields=["holder", "ends_at"], name="bypass_running"),
        ),
        migrations.AddConstraint(
            model_name="bypass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decision__isnull", False), ("ecosystem", ""), ("package_name", "")),
                    models.Q(("decision__isnull", True), models.Q(("package_name", ""), _negated=True)),
                    _connector="OR",
                ),
                name="bypass_of_one_decision_or_package",
            ),
        ),
        migrations.AddConstraint(
            model_name="bypass",
            constraint=models.CheckConstraint(
                condition=models.Q(("seconds__gte", 1), ("seconds__lte", 28800)), name="bypass_at_most_8_hours"
            ),
        ),
        migrations.AddConstraint(
            model_name="bypass",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["asked", "granted", "refused", "withdrawn", "ended"])),
                name="bypass_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="bypass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at", None), ("decided_by", None), ("state", "asked")),
                    models.Q(
                        models.Q(("state", "asked"), _negated=True),
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="bypass_answer_has_who_and_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="bypass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ends_at__isnull", False), ("state__in", ["granted", "ended"])),
                    models.Q(models.Q(("state__in", ["granted", "ended"]), _negated=True), ("ends_at__isnull", True)),
                    _connector="OR",
                ),
                name="bypass_granted_has_an_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="bypass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ended_at__gte", models.F("decided_at")),
                        ("ended_at__lt", models.F("ends_at")),
                        ("ended_by__isnull", False),
                        ("state", "ended"),
                    ),
                    models.Q(models.Q(("state", "ended"), _negated=True), ("ended_at", None), ("ended_by", None)),
                    _connector="OR",
                ),
                name="bypass_end_has_who_and_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="bypass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["granted", "ended"]), _negated=True),
                    models.Q(
                        models.Q(("decided_by", models.F("asked_by")), _negated=True),
                        models.Q(("decided_by", models.F("holder")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="bypass_needs_a_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="bypass",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "asked")),
                fields=("holder", "decision", "ecosystem", "package_name"),
                name="bypass_asked_once",
                nulls_distinct=False,
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
