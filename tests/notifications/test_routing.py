"""When somebody hears of what: their choice, quiet hours, digests, absence, on days when clocks change too."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.models import Channel, When
from notifications.routing import Choice, Plan, Times, beyond_limit, end_of_quiet, hour_of, moment, next_digest, plan

AT_ONCE = Choice(When.AT_ONCE, (Channel.MAIL, Channel.SLACK))
BERLIN = "Europe/Berlin"
NIGHT = Times(BERLIN, time(22), time(7))
ZONES = [BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "UTC"]
moments = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
clock_times = st.times(timezones=st.none()).map(lambda at: at.replace(second=0, microsecond=0))


def at(text: str, zone: str = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


NOON = at("2026-06-10T12:00")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (AT_ONCE, Plan((Channel.MAIL, Channel.SLACK), NOON)),
        (Choice(When.DIGEST), Plan((), NOON, at("2026-06-11T08:00"))),
        (Choice(When.NEVER), Plan((), NOON)),
    ],
)
def test_each_choice_is_kept(choice, expected):
    assert plan(choice, NIGHT, NOON) == expected


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-06-10T21:59", "2026-06-10T21:59"),
        ("2026-06-10T22:00", "2026-06-11T07:00"),
        ("2026-06-11T00:30", "2026-06-11T07:00"),
        ("2026-06-11T06:59", "2026-06-11T07:00"),
        ("2026-06-11T07:00", "2026-06-11T07:00"),
    ],
)
def test_quiet_hours_cross_midnight_and_end_in_the_morning(now, due):
    assert plan(AT_ONCE, NIGHT, at(now)).due_at == at(due)


def test_quiet_hours_within_a_day_and_none():
    lunch = Times(BERLIN, time(12), time(13))
    assert plan(AT_ONCE, lunch, NOON).due_at == at("2026-06-10T13:00")
    assert plan(AT_ONCE, lunch, at("2026-06-10T13:00")).due_at == at("2026-06-10T13:00")
    assert plan(AT_ONCE, Times(BERLIN, time(7), time(7)), at("2026-06-10T07:00")).due_at == at("2026-06-10T07:00")
    assert plan(AT_ONCE, Times(BERLIN, time(7), None), at("2026-06-10T08:00")).due_at == at("2026-06-10T08:00")


def test_what_is_critical_breaks_through_quiet_hours_where_the_person_says_so():
    now = at("2026-06-10T23:00")
    woken = Times(BERLIN, time(22), time(7), critical_breaks_through=True)
    assert plan(AT_ONCE, woken, now, critical=True).due_at == now
    assert plan(AT_ONCE, woken, now).due_at == at("2026-06-11T07:00")
    assert plan(AT_ONCE, NIGHT, now, critical=True).due_at == at("2026-06-11T07:00")


def test_who_is_away_has_everything_in_the_first_digest_after_it_even_what_is_critical():
    away = Times(BERLIN, time(22), time(7), critical_breaks_through=True, away_until=at("2026-06-22T00:00"))
    first = Plan((), NOON, at("2026-06-22T08:00"))
    assert plan(AT_ONCE, away, NOON, critical=True) == plan(Choice(When.DIGEST), away, NOON) == first
    assert plan(Choice(When.NEVER), away, NOON) == Plan((), NOON)
    assert plan(AT_ONCE, away, at("2026-06-22T12:00")).channels == AT_ONCE.channels


def test_what_is_beyond_the_limit_waits_for_the_end_of_the_hour_it_was_due_in():
    in_the_morning = plan(AT_ONCE, NIGHT, at("2026-06-10T23:00"))
    assert beyond_limit(in_the_morning) == Plan((), at("2026-06-11T07:00"), at("2026-06-11T08:00"), beyond_limit=True)


# In Berlin 02:00 to 03:00 is left out on 29 March 2026, and comes twice on 25 October.


def test_quiet_hours_that_end_in_the_hour_left_out_end_when_clocks_are_put_forward():
    times = Times(BERLIN, time(22), time(2, 30))
    assert end_of_quiet(times, at("2026-03-29T01:59")) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert end_of_quiet(times, at("2026-03-29T03:00")) == at("2026-03-29T03:00")


def test_quiet_hours_that_lie_in_the_hour_left_out_are_none_that_night():
    times = Times(BERLIN, time(2, 15), time(2, 45))
    for minute in range(180):
        now = datetime(2026, 3, 29, tzinfo=UTC) + timedelta(minutes=minute)
        assert end_of_quiet(times, now) == now


def test_quiet_hours_are_one_interval_where_an_hour_comes_twice():
    ends_in_it = Times(BERLIN, time(22), time(2, 30))
    first, second = (datetime(2026, 10, 25, hour, 10, tzinfo=UTC) for hour in (0, 1))  # 02:10, twice
    assert end_of_quiet(ends_in_it, first) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert end_of_quiet(ends_in_it, second) == second
    begins_in_it = Times(BERLIN, time(2, 5), time(7))
    assert end_of_quiet(begins_in_it, first) == end_of_quiet(begins_in_it, second) == at("2026-10-25T07:00")


def test_a_digest_due_in_the_hour_left_out_comes_when_clocks_are_put_forward():
    times = Times(BERLIN, digest_hour=2)
    assert next_digest(times, at("2026-03-29T00:00")) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_digest_due_in_the_hour_that_comes_twice_comes_once():
    times = Times(BERLIN, digest_hour=2)
    first = next_digest(times, at("2026-10-25T00:00"))
    assert first == datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert next_digest(times, first) == at("2026-10-26T02:00")


@given(moments, st.sampled_from(ZONES), clock_times, clock_times)
def test_quiet_hours_end_and_nothing_is_due_within_them(now, zone, begins, ends):
    """Whatever the night: what comes in it is due when it is over, and what comes later is not due sooner."""
    times = Times(zone, begins, ends)
    due = end_of_quiet(times, now)
    assert now <= due <= now + timedelta(hours=26)
    assert end_of_quiet(times, due) == due or moment(due.astimezone(ZoneInfo(zone)).date(), begins, zone) == due
    later = now + timedelta(minutes=7)
    assert end_of_quiet(times, later) >= min(due, later)


@given(moments, st.sampled_from(ZONES), st.integers(0, 23))
def test_there_is_a_digest_each_day(now, zone, hour):
    times = Times(zone, digest_hour=hour)
    days = []
    for _ in range(4):
        due = next_digest(times, now)
        assert timedelta() < due - now <= timedelta(hours=50)
        days.append(due.astimezone(ZoneInfo(zone)).date())
        now = due
    assert len(set(days)) == 4


@given(moments, st.sampled_from(ZONES), clock_times)
def test_a_moment_is_the_first_at_which_the_clock_shows_that_time_or_later(now, zone, shown):
    day = now.astimezone(ZoneInfo(zone)).date()
    found = moment(day, shown, zone)
    local = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert local >= datetime.combine(day, shown)
    before = (found - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert before < datetime.combine(day, shown)


@given(moments)
def test_the_hour_that_messages_are_counted_in_has_this_moment(now):
    assert hour_of(now) <= now < hour_of(now) + timedelta(hours=1)
