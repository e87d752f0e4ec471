"""The demo: what it loads, that it says it is synthetic, that it repeats, and when it keeps away."""

import stat
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from approvals.demo.gates import GATE, PAST_GATE
from approvals.demo.people import LEAD, PEOPLE, PRODUCERS, REVIEWER
from approvals.demo.scenarios import DOES_NOT_ADD_UP, SCENARIOS
from approvals.errors import NotAllowed
from approvals.models import NO_DEADLINE, Channel, Decision, Patch, Producer, Proposal, Review, Status, User, Verdict
from approvals.services import lifecycle
from audit.log import Actor
from audit.models import ActorKind, Entry
from audit.queries import body_of

TOLERANCE = 0.005  # half of the last digit shown
PATCH_IDS = [scenario.patch_id for scenario in SCENARIOS]


def load() -> str:
    output = StringIO()
    call_command("load_demo", stdout=output, stderr=output)
    return output.getvalue()


@pytest.fixture(scope="module", params=[True], ids=["loaded"])
def directory(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """Load the demo once for this file and return its data directory; with the parameter False, load nothing.

    What a test changes is rolled back after it, what was loaded when the parameter changes.
    """
    made = tmp_path_factory.mktemp("demo")
    quick = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the shipped one takes most of the time of a load
    changed = override_settings(HITL_DATA_DIR=made, PASSWORD_HASHERS=quick)
    with django_db_blocker.unblock(), changed, transaction.atomic():
        if request.param:
            load()
        yield made
        transaction.set_rollback(True)


@pytest.fixture
def demo(directory: Path, db: None) -> Path:
    return directory


empty = pytest.mark.parametrize("directory", [False], indirect=True, ids=["empty"])


def scenario_decisions() -> list[Decision]:
    newest = Decision.objects.filter(patch__patch_id__in=PATCH_IDS, status=Status.PENDING)
    return list(newest.select_related("patch__producer").order_by("-priority", "patch__patch_id"))


def past() -> Any:
    return Decision.objects.exclude(patch__patch_id__in=[*PATCH_IDS, GATE.patch_id])


def sums_up(patch: Patch) -> bool:
    assert patch.ml_shap is not None
    assert patch.ml_base_value is not None
    assert patch.ml_confidence is not None
    parts: list[float] = [part["contribution"] if isinstance(part, dict) else part for part in patch.ml_shap.values()]
    return abs(patch.ml_base_value + sum(parts) - patch.ml_confidence) <= TOLERANCE


# --- Scenarios


def test_six_scenarios_wait_with_the_numbers_of_s1(demo: Path) -> None:
    facts = {
        (
            decision.patch.cve_id,
            decision.patch.package_name,
            decision.patch.current_version,
            decision.patch.target_version,
            decision.patch.effective_severity,
            decision.patch.cvss_score,
            *decision.patch.cwe_ids,
        )
        for decision in scenario_decisions()
    }
    assert facts == {
        ("CVE-2024-9999", "sqlalchemy", "1.4.0", "1.4.46", "critical", 9.8, "CWE-89"),
        ("CVE-2024-8888", "django", "3.2.0", "3.2.23", "high", 8.6, "CWE-79"),
        ("CVE-2024-7777", "flask", "2.0.0", "2.3.5", "high", 7.5, "CWE-22"),
        ("CVE-2024-6666", "requests", "2.28.0", "2.31.0", "medium", 6.5, "CWE-918"),
        ("CVE-2024-5555", "pickle", "1.0.0", "1.0.1", "medium", 5.3, "CWE-502"),
        ("CVE-2024-4444", "pyyaml", "5.4.0", "6.0.1", "low", 3.7, "CWE-200"),
    }


def test_scenarios_run_on_real_clocks(demo: Path) -> None:
    for decision in scenario_decisions():
        assert timezone.now() - decision.created_at < timedelta(minutes=10)
        assert decision.expire_at < NO_DEADLINE
        assert (decision.sla_due_at < NO_DEADLINE) == (decision.patch.effective_severity != "low")


def test_scores_lie_in_the_ranges_of_s1(demo: Path) -> None:
    ranges = {"critical": (0.75, 0.92), "high": (0.82, 0.96), "medium": (0.88, 0.98), "low": (0.92, 0.99)}
    for decision in scenario_decisions():
        patch = decision.patch
        least, most = ranges[patch.severity]
        assert least <= (patch.ml_confidence or 0) <= most
        assert 50 <= (patch.ml_execution_ms or 0) <= 150
        assert patch.wargaming == "not_run" or 180_000 <= (patch.wargaming_execution_ms or 0) <= 350_000
        assert len(patch.affected_systems) == 2


def test_one_scenario_disagrees_and_one_was_not_run(demo: Path) -> None:
    agreement = Counter(decision.patch.agreement for decision in scenario_decisions())
    assert agreement == {True: 4, False: 1, None: 1}


def test_only_the_scenario_meant_to_has_a_score_that_does_not_add_up(demo: Path) -> None:
    wrong = [decision.patch.cve_id for decision in scenario_decisions() if not sums_up(decision.patch)]
    assert wrong == [DOES_NOT_ADD_UP]


def test_the_reviewer_cannot_approve_what_the_reviewer_submitted(demo: Path, approve: Callable[..., Decision]) -> None:
    reviewer, lead = (User.objects.get(username=person.username) for person in (REVIEWER, LEAD))
    decision = Decision.objects.get(patch__cve_ids=["CVE-2024-7777"], status=Status.PENDING)
    with pytest.raises(NotAllowed, match="You submitted this patch"):
        approve(decision, reviewer)
    assert approve(decision, lead).status == Status.APPROVED


def test_the_printed_people_can_decide_every_scenario(demo: Path, approve: Callable[..., Decision]) -> None:
    people = [User.objects.get(username=person.username) for person in (REVIEWER, LEAD)]
    for decision in scenario_decisions():
        for user in people:
            if decision.status == Status.PENDING and user.email not in _named(decision.patch):
                decision = approve(decision, user)
        assert decision.status == Status.APPROVED


def _named(patch: Patch) -> set[str]:
    return {patch.submitted_by, patch.triggered_by, patch.model_owner, patch.simulation_author}


def test_the_low_one_would_have_been_approved_without_a_person(demo: Path) -> None:
    would = [decision.patch.package_name for decision in scenario_decisions() if decision.would_auto_approve]
    assert would == ["pyyaml"]


def test_a_gate_waits_and_asks_again_once_decided(demo: Path, approve: Callable[..., Decision]) -> None:
    waiting, earlier = (Decision.objects.get(patch__patch_id=one.patch_id) for one in (GATE, PAST_GATE))
    assert waiting.escalate_at - waiting.created_at == timedelta(hours=4)
    assert (earlier.status, earlier.decided_by) == (Status.APPROVED, "ines.demo")
    assert approve(waiting, User.objects.get(username=REVIEWER.username)).status == Status.APPROVED
    assert "6 scenarios and a workflow gate to decide" in load()
    assert Decision.objects.get(patch__supersedes=waiting.patch).status == Status.PENDING


# --- Topping up


def test_loading_again_changes_nothing_while_all_wait(demo: Path) -> None:
    before = (Patch.objects.count(), Entry.objects.count(), User.objects.count(), (demo / "demo-accounts").read_text())
    load()
    assert before == (
        Patch.objects.count(),
        Entry.objects.count(),
        User.objects.count(),
        (demo / "demo-accounts").read_text(),
    )


def test_a_decided_scenario_comes_again(demo: Path, approve: Callable[..., Decision]) -> None:
    lead = User.objects.get(username=LEAD.username)
    decided = Decision.objects.get(patch__cve_ids=["CVE-2024-8888"], status=Status.PENDING)
    approve(decided, lead, Verdict.REJECT)
    count = Patch.objects.count()
    load()
    fresh = Decision.objects.get(patch__supersedes=decided.patch)
    assert Patch.objects.count() == count + 1
    assert (fresh.status, fresh.patch.revision) == (Status.PENDING, 2)
    assert fresh.sla_due_at < NO_DEADLINE
    assert "run 2" in fresh.patch.description


def test_what_ran_out_while_nothing_ran_comes_again_with_fresh_clocks(demo: Path) -> None:
    now = timezone.now()
    Decision.objects.filter(patch__cve_ids=["CVE-2024-9999"], status=Status.PENDING).update(
        expire_at=now - timedelta(hours=1)
    )
    load()
    fresh = Decision.objects.get(patch__cve_ids=["CVE-2024-9999"], status=Status.PENDING)
    assert fresh.sla_due_at > now


def test_a_scenario_with_too_many_revisions_today_is_named_and_harms_no_other(demo: Path) -> None:
    actor = Actor("command:test", ActorKind.SERVICE, "test")
    for _ in range(20):
        decision = Decision.objects.get(patch__cve_ids=["CVE-2024-4444"], status=Status.PENDING)
        producer = decision.patch.producer
        lifecycle.cancel(
            decision.decision_id, "again", actor=actor, now=timezone.now(), channel=Channel.API, producer=producer
        )
        said = load()
    assert "20 revisions a day" in said
    assert "5 scenarios" in said


# --- History


def test_the_history_has_a_few_hundred_decided_patches(demo: Path) -> None:
    assert 300 <= past().count() <= 450
    assert not past().filter(status=Status.PENDING).exists()
    assert set(past().values_list("patch__producer__name", flat=True)) == {one.name for one in PRODUCERS}
    counts = Counter(past().values_list("status", flat=True))
    ends = {"approved", "rejected", "changes_requested", "cancelled", "superseded", "revoked"}
    assert set(counts) == ends
    assert counts["approved"] > past().count() / 2
    assert min(counts.values()) >= 3


def test_the_history_has_no_clocks(demo: Path) -> None:
    clocks = past().values_list("sla_warn_at", "sla_due_at", "escalate_at", "expire_at")
    assert {clock for row in clocks for clock in row} == {NO_DEADLINE}


def test_the_history_lies_in_the_90_days_before(demo: Path) -> None:
    now = timezone.now()
    for decision in past():
        assert now - timedelta(days=91) < decision.created_at < (decision.decided_at or now) < now


def test_people_answer_within_minutes_and_mostly_by_day(demo: Path) -> None:
    humans = past().filter(decided_by_kind="human")
    waits = [(decision.decided_at - decision.created_at).total_seconds() for decision in humans]
    assert 4 * 60 < median(waits) < 9 * 60
    by_day = [decision for decision in humans if decision.created_at.weekday() < 5]
    assert len(by_day) > 0.85 * len(waits)


def test_critical_patches_of_the_past_had_two_people(demo: Path) -> None:
    leads = set(User.objects.filter(groups__name="security-leads").values_list("pk", flat=True))
    for decision in past().filter(priority=4, status__in=["approved", "revoked"]):
        people = set(decision.reviews.filter(verdict="approve").values_list("reviewer", flat=True))
        assert len(people) == 2
        assert people & leads


def test_nobody_decided_alone_what_they_are_named_on(demo: Path) -> None:
    for review in Review.objects.filter(verdict="approve").select_related("reviewer", "decision__patch"):
        assert review.reviewer.email not in _named(review.decision.patch)


def test_scores_of_the_past_add_up(demo: Path) -> None:
    scored = Patch.objects.exclude(patch_id__in=PATCH_IDS).exclude(ml_shap=None)
    assert scored
    assert all(sums_up(patch) for patch in scored)
    assert Patch.objects.filter(ml_confidence=None).exists()


def test_confidence_tells_something_about_the_outcome(demo: Path) -> None:
    sure = past().filter(confidence__gte=0.9, decided_by_kind="human")
    unsure = past().filter(confidence__range=(0, 0.7), decided_by_kind="human")
    share = [group.filter(status="approved").count() / group.count() for group in (sure, unsure)]
    assert share[0] > share[1] + 0.2


def test_every_generated_diff_parses_without_a_warning(demo: Path) -> None:
    patches = Patch.objects.filter(kind="patch").exclude(patch_id__in=PATCH_IDS)
    assert all(patch.parsed and patch.file_count and not patch.parse_warnings for patch in patches)


# --- Marks


def test_everything_is_marked_synthetic(demo: Path) -> None:
    assert not Patch.objects.filter(synthetic=False).exists()
    submitted = [body_of(entry) for entry in Entry.objects.filter(type="patch.submitted")]
    assert len(submitted) == Patch.objects.count()
    assert all(body["data"]["synthetic"] is True for body in submitted)


def test_every_entry_of_the_story_says_so(demo: Path) -> None:
    for entry in Entry.objects.filter(object_type="decision"):
        assert body_of(entry)["actor"]["authn"] == "synthetic"


def test_links_lead_nowhere_but_to_example_org(demo: Path) -> None:
    for patch in Patch.objects.filter(kind="patch"):
        links = [*patch.references, *filter(None, [patch.wargaming_run_url])]
        assert {urlsplit(link).hostname for link in links} == {"example.org"}


# --- Accounts


def test_the_sign_ins_work_and_only_their_owner_reads_them(demo: Path, client: Any) -> None:
    path = demo / "demo-accounts"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text().splitlines()
    assert len(lines) == sum(person.signs_in for person in PEOPLE)
    for line in lines:
        email, password = line.split()[2:4]
        assert client.login(username=email, password=password)
    assert [path.name for path in demo.iterdir()] == ["demo-accounts"]


def test_roles_are_those_of_the_groups(demo: Path) -> None:
    groups = {user.username: [group.name for group in user.groups.all()] for user in User.objects.all()}
    assert groups == {person.username: list(person.groups) for person in PEOPLE}
    assert User.objects.get(is_superuser=True).is_staff


def test_those_who_do_not_sign_in_cannot(demo: Path) -> None:
    for person in PEOPLE:
        assert User.objects.get(username=person.username).has_usable_password() == person.signs_in


def test_every_account_and_producer_has_its_entry(demo: Path) -> None:
    assert Entry.objects.filter(type="user.changed").count() == len(PEOPLE)
    trusted = Proposal.objects.filter(kind="producer", state="applied").count()  # by two people, as anywhere
    assert Entry.objects.filter(type="producer.changed").count() == len(PRODUCERS) + trusted > len(PRODUCERS)


def test_passwords_are_nowhere_else(demo: Path) -> None:
    said = load()
    bodies = b"".join(bytes(body) for body in Entry.objects.values_list("body", flat=True))
    for line in (demo / "demo-accounts").read_text().splitlines():
        password = line.split()[3]
        assert password not in said
        assert password.encode() not in bodies


def test_lost_sign_ins_are_made_anew(demo: Path, tmp_path: Path) -> None:
    before = (demo / "demo-accounts").read_text()
    with override_settings(HITL_DATA_DIR=tmp_path):
        load()
    after = (tmp_path / "demo-accounts").read_text()
    assert not {line.split()[3] for line in before.splitlines()} & {line.split()[3] for line in after.splitlines()}
    assert User.objects.count() == len(PEOPLE)
    email, password = after.splitlines()[0].split()[2:4]
    assert User.objects.get(email=email).check_password(password)


# --- Keeping away


@empty
def test_nothing_is_added_once_there_are_other_patches(demo: Path, make_patch: Callable[..., Decision]) -> None:
    make_patch()
    assert load().count(".") == 1
    assert Patch.objects.count() == 1
    assert not User.objects.exists()
    assert not list(demo.iterdir())


def test_nothing_is_topped_up_once_there_are_other_patches(
    demo: Path, make_patch: Callable[..., Decision], approve: Callable[..., Decision]
) -> None:
    lead = User.objects.get(username=LEAD.username)
    approve(Decision.objects.get(patch__cve_ids=["CVE-2024-8888"], status=Status.PENDING), lead, Verdict.REJECT)
    make_patch()
    before = Patch.objects.count()
    load()
    assert Patch.objects.count() == before


@empty
def test_a_database_with_people_of_its_own_is_refused(demo: Path, alice: User) -> None:
    with override_settings(EMBEDDED=False), pytest.raises(CommandError, match="of its own"):
        load()
    assert not Patch.objects.exists()
    assert User.objects.count() == 1


def test_people_added_after_the_demo_do_not_stop_it(demo: Path, alice: User) -> None:
    with override_settings(EMBEDDED=False):
        assert "6 scenarios" in load()


def test_what_an_administrator_changed_of_a_producer_stays(demo: Path) -> None:
    Producer.objects.update(trusted_for_ml=False)
    load()
    assert not Producer.objects.filter(trusted_for_ml=True).exists()
