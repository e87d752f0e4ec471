"""Everything the admin lists: the same number of queries for 1 and 30 rows, found by look-ups, never changed."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from approvals.accounts.services import tokens
from approvals.admin.kinds import Kept, Record
from approvals.models import (
    Acknowledgement,
    ApiToken,
    Bypass,
    Comment,
    Decision,
    Delegation,
    DeploymentRequest,
    DeploymentResult,
    DiffFetch,
    FeedEntry,
    Heartbeat,
    KnownExploited,
    Patch,
    Policy,
    PolicyVersion,
    Review,
    Revocation,
    User,
)
from approvals.policy.term_table import TERMS
from approvals.services import absence, bypasses, lifecycle, policies, reviews, revocations
from approvals.services.bypasses import Target
from approvals.services.deployments import Report, report_outcome
from approvals.services.dispatch import dispatch
from audit.models import Entry
from tests.cast import SYSTEM, actor_for, one_person_enough

pytestmark = pytest.mark.django_db

PAGES = {model: admin.site.get_model_admin(model) for model in apps.get_models() if admin.site.is_registered(model)}
OURS = [model for model, page in PAGES.items() if isinstance(page, Kept | Record)]


def list_of(model):
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def acknowledge(decision, deployer):
    token, now = ApiToken.objects.get(name=deployer), timezone.now()
    position = FeedEntry.objects.filter(decision=decision).latest("position").position
    revocations.acknowledge(decision.decision_id, position, token=token, actor=SYSTEM, now=now)


def stand_in(person, delegate):
    now = timezone.now()
    until = now + timedelta(days=3)
    absence.delegate(person, delegate, now, until, "On leave.", actor=actor_for(person), now=now)


@pytest.fixture
def full_house(make_patch, approve, alice, lena, token_for):
    """Return a function that adds one row to every list."""

    def add(number):
        now = timezone.now()
        decision = make_patch(description="long words", severity="medium")
        words = f"Look at line {number}."
        reviews.comment(decision.decision_id, words, user=alice, actor=actor_for(alice), now=now)
        approve(decision, alice)
        lifecycle.revoke(decision.decision_id, "No longer sound.", user=lena, actor=actor_for(lena), now=now)
        dispatch()
        person = User.objects.create_user(f"person{number}", f"person{number}@example.org")
        person.groups.add(Group.objects.create(name=f"group{number}"))
        token_for("personal", f"token{number}", user=person)
        token_for("producer", f"machine{number}")
        token_for("deployer", f"deployer{number}")
        acknowledge(decision, f"deployer{number}")
        DiffFetch.objects.create(decision=decision, deployer=f"deployer{number}", fetched_at=now)
        DeploymentRequest.objects.create(
            decision=decision,
            delivery=f"delivery {number}",
            body_sha256=f"{number:064}",
            repository="acme/shop",
            environment="production",
            installation=1,
            callback_url="https://api.github.com/",
            received_at=now,
            try_at=now,
        )
        said = Report(decision.patch.sha256, DeploymentResult.FAILED, now, "Out of disk.")
        token = ApiToken.objects.get(name=f"deployer{number}")
        report_outcome(decision, said, token=token, actor=SYSTEM, now=now)
        person.groups.add(Group.objects.get(name="reviewer"))
        stand_in(person, alice)
        bypasses.ask(
            alice,
            Target(ecosystem="PyPI", package_name=f"package{number}"),
            3600,
            "Now.",
            user=lena,
            actor=actor_for(lena),
            now=now,
        )
        KnownExploited.objects.create(cve_id=f"CVE-2020-{number:04}", added_on=now, imported_at=now)
        Heartbeat.objects.create(name=f"worker {number}", seen_at=now)
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into procrastinate_jobs (queue_name, task_name) values ('default', %s)", [f"task{number}"]
            )
        policy = Policy(name=f"policy{number}", position=100 + number)
        high = Policy.objects.get(name="high").current
        policies.arrange(policy, actor=SYSTEM, now=now)
        terms = {name: getattr(high, name) for name in TERMS}
        with one_person_enough():
            policies.publish(policy, terms, actor=SYSTEM, now=now)

    return add


def queries_of(client, path):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = client.get(path)
    assert response.status_code == 200
    return response, [query["sql"] for query in captured]


def test_no_list_runs_more_queries_for_30_rows_than_for_1(admin_page, full_house):
    full_house(0)
    admin_page.get("/admin/")
    few = {model: queries_of(admin_page, list_of(model))[1] for model in OURS}
    for number in range(1, 30):
        full_house(number)
    for model in OURS:
        response, many = queries_of(admin_page, list_of(model))
        assert len(response.context["cl"].result_list) >= 30, model
        assert len(many) == len(few[model]), (model, many)
        assert not any("patchcontent" in sql for sql in many), model


def test_no_page_of_one_row_loads_the_diff_but_shows_the_row(admin_page, full_house):
    full_house(0)
    for model in OURS:
        row = model.objects.order_by("-pk").first()
        _, queries = queries_of(admin_page, f"{list_of(model)}{row.pk}/change/")
        assert not any("patchcontent" in sql for sql in queries), model


def test_a_policy_page_runs_no_more_queries_for_30_versions_than_for_1(admin_page):
    high = Policy.objects.get(name="high")
    page, terms = f"{list_of(Policy)}{high.pk}/change/", {name: getattr(high.current, name) for name in TERMS}
    admin_page.get(page)  # the first look at a model reads its content type
    few = queries_of(admin_page, page)[1]
    for number in range(30):
        policies.publish(high, {**terms, "expire_after_seconds": 1000 + number}, actor=SYSTEM, now=timezone.now())
    assert PolicyVersion.objects.filter(policy=high).count() == 31
    assert len(queries_of(admin_page, page)[1]) == len(few)


@pytest.mark.parametrize("model", [Decision, Patch, Review])
def test_lists_leave_large_columns_in_the_database(admin_page, full_house, model):
    full_house(0)
    queries = queries_of(admin_page, list_of(model))[1]
    for column in ('"wargaming_log"', '"ml_shap"', '"trace"', '"description"', '"search"'):
        assert not any(column in sql for sql in queries), column


@pytest.mark.parametrize("model", [model for model in OURS if isinstance(PAGES[model], Record)])
def test_a_record_is_neither_added_nor_changed_nor_deleted(admin_page, full_house, model):
    full_house(0)
    row = model.objects.order_by("-pk").first()
    before, written = list(model.objects.values_list()), Entry.objects.count()
    assert admin_page.post(f"{list_of(model)}add/", {}).status_code == 403
    assert admin_page.post(f"{list_of(model)}{row.pk}/change/", {"status": "approved"}).status_code == 403
    assert admin_page.post(f"{list_of(model)}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_page.post(list_of(model), {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"})
    assert list(model.objects.values_list()) == before
    assert Entry.objects.count() == written


@pytest.mark.parametrize("model", OURS)
def test_a_search_finds_nothing_in_nonsense_and_a_list_without_one_shows_all(admin_page, full_house, model):
    full_house(1)
    found = admin_page.get(list_of(model), {"q": "no such thing"}).context["cl"].result_count
    searched = PAGES[model].search_fields
    assert found == (0 if searched else model.objects.count())


@pytest.mark.parametrize("path", ["", "{row.pk}/change/"])
def test_jobs_are_shown_without_the_styles_our_policy_forbids(admin_page, full_house, path):
    full_house(0)
    row = ProcrastinateJob.objects.order_by("-pk").first()
    page = admin_page.get(list_of(ProcrastinateJob) + path.format(row=row)).content.decode()
    assert "task0" in page
    assert "style=" not in page
    assert "<style" not in page


def test_nothing_on_any_admin_page_offers_to_delete(admin_page, full_house):
    full_house(0)
    for page in PAGES.values():
        assert not page.has_delete_permission(admin_page.get("/admin/").wsgi_request), page
    for model in OURS:
        assert b"delete_selected" not in admin_page.get(list_of(model)).content, model


@pytest.mark.parametrize(
    "model",
    [
        Patch,
        Decision,
        Review,
        Comment,
        Revocation,
        FeedEntry,
        Delegation,
        Bypass,
        Acknowledgement,
        KnownExploited,
        Heartbeat,
        Entry,
    ],
)
def test_records_are_for_those_whose_groups_may_view_them(staff, full_house, model):
    full_house(0)
    name = model._meta.model_name
    reader, other = staff("rhea", f"view_{name}"), staff("otto", groups=("policy-admin",))
    row = model.objects.order_by("-pk").first()
    for page in (list_of(model), f"{list_of(model)}{row.pk}/change/"):
        assert reader.get(page).status_code == 200
        if model not in (Decision, Entry):  # which policy admins may see
            assert other.get(page).status_code == 403


def found(client, model, words):
    response = client.get(list_of(model), {"q": words})
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def test_decisions_and_what_hangs_on_them_are_found_by_id_digest_and_words(
    admin_page, make_patch, approve, alice, lena
):
    wanted, other = (
        make_patch(package_name="jinja2", patch_id="fix-7"),
        make_patch(diff="--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n"),
    )
    now = timezone.now()
    for decision in (wanted, other):
        approve(decision, alice)
        reviews.comment(decision.decision_id, "Words.", user=alice, actor=actor_for(alice), now=now)
        lifecycle.revoke(decision.decision_id, "Unsound.", user=lena, actor=actor_for(lena), now=now)
    dispatch()
    for model, of in (
        (Decision, lambda row: row.pk),
        *((m, lambda row: row.decision_id) for m in (Review, Comment, Revocation, FeedEntry)),
    ):
        for words in (str(wanted.decision_id), wanted.patch.sha256, "fix-7", "jinja", wanted.patch.cve_ids[0]):
            assert {of(row) for row in found(admin_page, model, words)} == {wanted.pk}, (model, words)
        assert found(admin_page, model, "nothing of the kind") == []
        assert found(admin_page, model, "' or 1=1 --") == []


def test_delegations_are_found_by_either_person_and_narrowed_to_those_that_run(admin_page, alice, bob, lena):
    stand_in(alice, bob)
    stand_in(lena, alice)
    mine = Delegation.objects.get(person=alice)
    assert found(admin_page, Delegation, "BOB@example.org") == [mine]
    assert len(found(admin_page, Delegation, "alice")) == 2
    assert found(admin_page, Delegation, "nobody") == []
    absence.end(mine.pk, user=alice, actor=actor_for(alice), now=timezone.now())
    running = admin_page.get(list_of(Delegation), {"ended_at__isempty": "1"}).context["cl"].result_list
    assert [row.person for row in running] == [lena]
    page = admin_page.get(f"{list_of(Delegation)}{mine.pk}/change/").content.decode()
    assert "On leave." in page


def test_acknowledgements_are_found_by_deployer_and_by_their_decision(
    admin_page, make_patch, approve, alice, token_for
):
    for deployer in ("argo", "flux"):
        token_for("deployer", deployer)
    ours, other = make_patch(patch_id="fix-7"), make_patch(diff="--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n")
    for decision, deployer in ((ours, "argo"), (other, "flux")):
        approve(decision, alice)
        dispatch()
        acknowledge(decision, deployer)
    for words in ("argo", "fix-7", str(ours.decision_id), ours.patch.sha256):
        (row,) = found(admin_page, Acknowledgement, words)
        assert (row.deployer, row.feed_entry.decision_id) == ("argo", ours.pk), words
    assert found(admin_page, Acknowledgement, "helm") == []
    listed = admin_page.get(list_of(Acknowledgement), {"feed_entry__status__exact": "revoked"})
    assert list(listed.context["cl"].result_list) == []


def test_patches_are_found_by_digest_and_words(admin_page, make_patch):
    wanted = make_patch(package_name="jinja2", patch_id="fix-7").patch
    make_patch(diff="--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n")
    for words in (wanted.sha256, "fix-7", "jinja", wanted.cve_ids[0], f"  {wanted.sha256}  "):
        assert found(admin_page, Patch, words) == [wanted]


def test_reviews_and_comments_are_found_by_person(admin_page, make_patch, approve, alice, bob):
    first, second = make_patch(), make_patch()
    approve(first, alice)
    approve(second, bob)
    for words in ("ALICE", "alice@example.org"):
        assert [row.decision for row in found(admin_page, Review, words)] == [first]
    reviews.comment(first.decision_id, "Hm.", user=bob, actor=actor_for(bob), now=timezone.now())
    assert [row.author for row in found(admin_page, Comment, "bob")] == [bob]
    assert found(admin_page, Comment, "alice") == []


def test_bypasses_are_found_by_holder_and_package(admin_page, full_house):
    for number in range(2):
        full_house(number)
    assert [row.package_name for row in found(admin_page, Bypass, "package1")] == ["package1"]
    assert {row.package_name for row in found(admin_page, Bypass, "alice")} == {"package0", "package1"}
    assert found(admin_page, Bypass, "lena") == []


def test_known_exploited_and_feed_positions_are_found(admin_page, full_house):
    for number in range(2):
        full_house(number)
    assert [row.pk for row in found(admin_page, KnownExploited, "cve-2020-0001")] == ["CVE-2020-0001"]
    assert [row.position for row in found(admin_page, FeedEntry, "1")] == [1]
    assert found(admin_page, FeedEntry, "9" * 30) == []


def test_filters_narrow_the_decisions(admin_page, make_patch, approve, alice):
    waiting, done = make_patch(), approve(make_patch(), alice)
    for status, expected in (("pending", waiting), ("approved", done)):
        response = admin_page.get(list_of(Decision), {"status__exact": status})
        assert list(response.context["cl"].result_list) == [expected]


@pytest.mark.parametrize("value", ["0001-01-01", "2024-01-01", "2024-01-01T00:00", "9999-12-31"])
@pytest.mark.parametrize("name", ["created_at__gte", "created_at__lt"])
def test_a_date_in_an_address_needs_no_time_zone(admin_page, make_patch, name, value):
    decision = make_patch()
    page = admin_page.get(list_of(Decision), {name: value})
    found = list(page.context["cl"].result_list)
    assert found == ([decision] if (name == "created_at__gte") == value.startswith(("0", "2")) else [])


def test_a_deadline_that_never_comes_is_shown_as_none(admin_page, make_patch):
    decision = make_patch(clocks=False)
    page = admin_page.get(f"{list_of(Decision)}{decision.pk}/change/").content.decode()
    assert "9999" not in page
    assert f"/patches/{decision.decision_id}" in page  # the way to the patch page


def test_tokens_say_whether_they_are_in_force(admin_page, token_for, token_row):
    now = timezone.now()
    past = {"now": now - timedelta(days=2), "expires_at": now - timedelta(days=1)}
    rows = [token_row(token_for("deployer", "a")), token_row(token_for("deployer", "b", **past))]
    rows.append(token_row(token_for("deployer", "c")))
    tokens.revoke_token(rows[-1], actor=SYSTEM, now=now)
    page = PAGES[type(rows[0])]
    for row, state in zip(rows, ("in force", "expired", "revoked"), strict=True):
        row.refresh_from_db()
        assert page.state(row) == state
