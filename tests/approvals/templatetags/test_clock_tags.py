"""Clocks as people read them: floored, honest about no SLA, right at the second a threshold is reached."""

from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone

from approvals.models import NO_DEADLINE, Decision, Patch, PolicyVersion, Status
from approvals.templatetags.clock_tags import clock_of, duration, milliseconds, share_left

NOW = datetime(2026, 11, 20, 16, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def decision(age: timedelta = 5 * MINUTE, left: timedelta | None = 5 * MINUTE, **changes: object) -> Decision:
    """Return a pending decision that arrived `age` ago and whose SLA ends in `left`, warned at 80 % used."""
    created, due = NOW - age, NO_DEADLINE if left is None else NOW + left
    warn = NO_DEADLINE if left is None else created + (due - created) * 0.8
    values = {"status": Status.PENDING, "created_at": created, "sla_due_at": due, "sla_warn_at": warn} | changes
    return Decision(**values)


def rendered(source: str, **context: object) -> str:
    return Template("{% load clock_tags %}" + source).render(Context({"now": NOW, **context}))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (260, "4 min 20 s"), (599, "9 min 59 s"), (600, "10 min"),
        (1800, "30 min"), (3599, "59 min"), (3600, "1 h"), (4380, "1 h 13 m"), (86_399, "23 h 59 m"),
        (86_400, "1 d"), (252_000, "2 d 22 h"), (-90, "−1 min 30 s"), (timedelta(minutes=38), "38 min"),
    ],
)  # fmt: skip
def test_durations_are_floored_to_two_units(seconds: float | timedelta, words: str) -> None:
    assert duration(seconds) == words


def test_half_an_hour_is_never_an_hour() -> None:
    assert duration(30 * 60) == "30 min"
    assert duration(59 * 60 + 59) == "59 min"


def test_an_unknown_duration_is_empty() -> None:
    assert duration(None) == milliseconds(None) == ""


@pytest.mark.parametrize(("value", "words"), [(90, "90 ms"), (6200, "6.2 s"), (41_200, "41 s"), (240_000, "4 min")])
def test_run_times_come_in_the_unit_that_fits(value: int, words: str) -> None:
    assert milliseconds(value) == words


def test_a_clock_with_time_left_is_quiet() -> None:
    shown = clock_of(decision(age=2 * MINUTE, left=38 * MINUTE), NOW)
    assert (shown.state, shown.icon, shown.text) == ("ok", "clock", "38 min left")
    assert shown.detail == "waiting 2 min"
    assert shown.percent == 95


def test_the_warning_begins_at_the_very_second_it_is_due() -> None:
    item = decision(age=4 * MINUTE, left=MINUTE)
    assert item.sla_warn_at == NOW
    assert clock_of(item, NOW).state == "warning"
    assert clock_of(item, NOW - timedelta(seconds=1)).state == "ok"


def test_the_breach_begins_at_the_very_second_it_is_due() -> None:
    item = decision(left=timedelta())
    assert clock_of(item, NOW).state == "breached"
    assert clock_of(item, NOW - timedelta(seconds=1)).state == "warning"


def test_a_breached_clock_counts_how_much_too_late() -> None:
    shown = clock_of(decision(age=timedelta(hours=5), left=timedelta(hours=-1, minutes=-13)), NOW)
    assert (shown.state, shown.text) == ("breached", "1 h 13 m over")


def test_no_deadline_is_said_and_not_shown_as_time() -> None:
    shown = clock_of(decision(left=None), NOW)
    assert (shown.state, shown.text, shown.detail) == ("none", "no SLA", "waiting 5 min")
    html = rendered("{% sla decision %}", decision=decision(left=None))
    assert "9999" not in html
    assert "data-due" not in html


@pytest.mark.parametrize(
    ("decided", "detail"),
    [(2 * MINUTE, "decided with 3 min left"), (-2 * MINUTE, "decided 2 min after the SLA")],
)
def test_a_decided_clock_stands_still(decided: timedelta, detail: str) -> None:
    due = NOW + 5 * MINUTE
    at = due - 3 * MINUTE if decided > timedelta() else due + 2 * MINUTE
    item = decision(status=Status.APPROVED, decided_at=at)
    assert (clock_of(item, NOW).state, clock_of(item, NOW).detail) == ("stopped", detail)
    assert clock_of(item, NOW + timedelta(days=9)) == clock_of(item, NOW)


def test_a_decided_patch_without_sla_tells_what_it_took() -> None:
    item = decision(left=None, status=Status.REJECTED, decided_at=NOW)
    assert clock_of(item, NOW).detail == "took 5 min, no SLA"


def test_a_clock_inherited_from_an_older_revision_never_breaks_the_ring() -> None:
    assert share_left(5 * MINUTE, timedelta()) == 0
    assert share_left(5 * MINUTE, -MINUTE) == 0
    assert share_left(10 * MINUTE, 5 * MINUTE) == 100


def later_revision(**changes: object) -> Decision:
    """Return revision 2, which came a second after the first and goes on with its clock of ten minutes."""
    item = decision(age=9 * MINUTE + timedelta(seconds=59), left=timedelta(seconds=0), **changes)
    item.patch, item.policy_version = Patch(pk=1, revision=2), PolicyVersion(sla_due_seconds=600)
    return item


def test_a_later_revision_has_the_clock_of_the_first() -> None:
    item = later_revision()
    assert clock_of(item, NOW - MINUTE).whole.startswith("of 10 min, due")
    assert clock_of(item, NOW - MINUTE).start == NOW - 10 * MINUTE


@pytest.mark.parametrize(
    ("status", "detail"),
    [(Status.SUPERSEDED, "a newer revision has its clock"), (Status.CANCELLED, "ended with 5 min left")],
)
def test_what_nobody_decided_is_not_called_decided(status: Status, detail: str) -> None:
    assert clock_of(decision(status=status, decided_at=NOW), NOW).detail == detail


def test_the_page_gives_the_script_what_it_needs_to_tick() -> None:
    html = rendered("{% sla decision large=True %}", decision=decision(age=2 * MINUTE, left=38 * MINUTE))
    assert 'data-due="2026-11-20T16:38:00+00:00"' in html
    assert "38 min left" in html
    assert "of 40 min, due 16:38 UTC" in html
    assert "style" not in html


def test_times_are_those_of_the_reader_with_the_offset_at_hand() -> None:
    with timezone.override("Europe/Berlin"):
        html = rendered("{% when at %}", at=NOW)
    assert ">17:00</time>" in html
    assert 'datetime="2026-11-20T16:00:00+00:00"' in html
    assert 'title="2026-11-20 17:00:00 UTC+0100"' in html


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW - timedelta(hours=2), "14:00"),
        (NOW - timedelta(days=1), "19 Nov, 16:00"),
        (datetime(2021, 12, 10, 9, 5, tzinfo=UTC), "10 Dec 2021, 09:05"),
    ],
)
def test_a_time_says_as_much_of_the_date_as_it_needs(at: datetime, words: str) -> None:
    assert f">{words}</time>" in rendered("{% when at %}", at=at)


def test_today_is_the_readers_today() -> None:
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    with timezone.override("Europe/Berlin"):
        html = Template("{% load clock_tags %}{% when at %}").render(
            Context({"now": late, "at": datetime(2026, 11, 20, 22, 30, tzinfo=UTC)})
        )
    assert ">20 Nov, 23:30</time>" in html


def test_relative_times_stand_without_a_script() -> None:
    assert ">9 min ago</time>" in rendered("{% ago at %}", at=NOW - 9 * MINUTE)
    assert ">just now</time>" in rendered("{% ago at %}", at=NOW)


def test_a_missing_time_is_empty() -> None:
    assert rendered("{% when at %}", at=None) == ""


def test_a_record_has_its_seconds() -> None:
    assert "2026-11-20 16:00:00" in rendered("{% stamp at %}", at=NOW)
