"""Policies in the admin: saving publishes or rearranges, each an entry; nothing is ever uncovered."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from approvals.errors import Invalid
from approvals.models import Policy, PolicyVersion
from approvals.policy.term_table import TERMS
from approvals.services import killswitch, policies
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db

LIST = "/admin/approvals/policy/"


@pytest.fixture(autouse=True)
def alone(settings):
    """An install with one lead; what needs a second person elsewhere is in services/test_second_person.py."""
    settings.SECOND_PERSON_REQUIRED = False
    killswitch.keep_setting()


@pytest.fixture
def high(db):
    return Policy.objects.get(name="high")


@pytest.fixture
def default(db):
    return Policy.objects.get(is_default=True)


@pytest.fixture
def policy_admin(staff):
    return staff("pat", groups=("policy-admin",))


def page_of(policy):
    return f"{LIST}{policy.pk}/change/"


def new_policy(**changes):
    inline = {"versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}
    fields = {
        "name": "sql", "position": "5", "enabled": "on", "match": "'CWE-89' in cwe_ids", "auto_approval": "off",
        "auto_approve_threshold": "0.95", "required_approvals": "2", "required_groups": ["security-leads"],
        "expire_action": "expire", "deny_threshold": "1", "spot_check_percent": "0", "location_slack": "25",
        "escalation": "[]",
        "reason": "SQL injection needs a second look.",
    }  # fmt: skip
    return {**inline, **fields, **changes}


def terms_of(policy):
    return {name: getattr(policy.current, name) for name in TERMS}


def errors_of(response):
    assert response.status_code == 200
    return response.context["adminform"].form.errors


def test_saving_other_terms_publishes_a_version_and_is_one_entry(policy_admin, high, entries, resend):
    response = resend(policy_admin, page_of(high), required_approvals="2", required_groups=["security-leads"])
    assert response.status_code == 302
    high.refresh_from_db()
    assert high.current.version == 2
    assert (high.current.required_approvals, high.current.required_groups) == (2, ["security-leads"])
    assert high.current.created_by == "pat"
    assert high.current.sla_due_seconds == 600
    assert high.versions.count() == 2
    (entry,) = entries()
    assert (entry["old"]["version"], entry["new"]["version"]) == (1, 2)
    assert (entry["old"]["required_approvals"], entry["new"]["required_approvals"]) == (1, 2)


def test_moving_and_renaming_a_policy_is_one_entry_and_no_version(policy_admin, high, entries, resend):
    resend(policy_admin, page_of(high), name="high and kev", position="15", reason="Earlier.")
    high.refresh_from_db()
    assert (high.name, high.position, high.current.version) == ("high and kev", 15, 1)
    assert entries() == [
        {
            "old": {"name": "high", "position": 20, "enabled": True},
            "new": {"name": "high and kev", "position": 15, "enabled": True},
        }
    ]


def test_switching_a_policy_off_is_one_entry(policy_admin, high, entries, resend):
    resend(policy_admin, page_of(high), enabled=None, reason="Not needed.")
    high.refresh_from_db()
    assert not high.enabled
    (entry,) = entries()
    assert (entry["old"]["enabled"], entry["new"]["enabled"]) == (True, False)


def test_saving_a_policy_without_a_change_writes_nothing(policy_admin, entries, resend):
    for policy in Policy.objects.all():
        assert resend(policy_admin, page_of(policy)).status_code == 302
    assert PolicyVersion.objects.count() == Policy.objects.count()
    assert entries() == []


def test_adding_a_policy_places_it_and_publishes_its_first_version(admin_page, entries):
    assert admin_page.post(f"{LIST}add/", new_policy()).status_code == 302
    added = Policy.objects.get(name="sql")
    assert added.current
    assert added.current.version == 1
    assert terms_of(added)["match"] == "'CWE-89' in cwe_ids"
    placed, published, switched_on = entries()
    assert placed == {"old": None, "new": {"name": "sql", "position": 5, "enabled": False}}
    assert (switched_on["old"]["enabled"], switched_on["new"]["enabled"]) == (False, True)
    assert published["old"] is None
    assert published["new"]["version"] == 1


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"match": "severity = 'high'"}, "match", "This condition cannot be"),
        ({"match": "nonsense == 1"}, "match", "nonsense"),
        ({"match": "1 + 1"}, "match", "true or false"),
        ({"match": ""}, "match", "required"),
        ({"match": "(" * 30 + "true" + ")" * 30}, "match", "nested"),
        ({"position": "20"}, "position", "already exists"),
        ({"position": "2000000"}, "position", "default policy comes last"),
        ({"name": "high"}, "name", "already exists"),
        ({"sla_warn_seconds": "60"}, "sla_warn_seconds", "before its breach"),
        ({"auto_approve_threshold": "0.2"}, "auto_approve_threshold", "0.5"),
        ({"required_approvals": "0"}, "required_approvals", "1"),
        ({"required_approvals": "11"}, "required_approvals", "10"),
        ({"expire_after_seconds": "99999999999"}, "expire_after_seconds", "less than or equal"),
        ({"required_groups": ["nobody"]}, "required_groups", "nobody"),
        ({"auto_approval": "always"}, "auto_approval", "valid choice"),
    ],
)
def test_a_policy_that_cannot_be_enforced_is_refused_at_its_field(admin_page, entries, changes, field, words):
    errors = errors_of(admin_page.post(f"{LIST}add/", new_policy(**changes)))
    assert list(errors) == [field]
    assert words in str(errors[field])
    assert not Policy.objects.filter(name="sql").exists()
    assert entries() == []


def test_a_refused_change_of_terms_changes_nothing_else_either(policy_admin, high, entries, resend):
    response = resend(policy_admin, page_of(high), name="other", match="severity = 'high'")
    assert errors_of(response)["match"]
    high.refresh_from_db()
    assert (high.name, high.current.version) == ("high", 1)
    assert entries() == []


def test_losing_a_race_to_a_rule_is_a_sentence_and_saves_nothing(policy_admin, high, entries, resend, monkeypatch):
    def refuse(*args, **kwargs):
        raise Invalid("Somebody was faster.")

    monkeypatch.setattr(policies, "publish", refuse)
    response = resend(policy_admin, page_of(high), name="other", required_approvals="2")
    assert response["Location"] == page_of(high)
    assert "Somebody was faster. Nothing was saved." in policy_admin.get(page_of(high)).content.decode()
    high.refresh_from_db()
    assert high.name == "high"
    assert entries() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"enabled": None}, "enabled"), ({"match": "priority == 'low'"}, "match"), ({"position": "1"}, "position")],
)
def test_the_default_policy_stays_on_last_and_for_every_patch(
    policy_admin, default, entries, resend, changes, field
):  # fmt: skip
    errors = errors_of(resend(policy_admin, page_of(default), **changes))
    assert "default policy" in str(errors[field])
    before = (default.enabled, default.position)
    default.refresh_from_db()
    assert (default.enabled, default.position, default.current.match) == (*before, "true")
    assert entries() == []


def test_terms_published_after_the_page_was_opened_are_not_undone(policy_admin, high, entries, resend):
    opened = {"seen": "1", "required_approvals": "1"}
    policies.publish(high, {**terms_of(high), "required_approvals": 3}, actor=SYSTEM, now=timezone.now())
    response = resend(policy_admin, page_of(high), **opened)
    assert "test published version 2 after you opened this page" in str(errors_of(response))
    high.refresh_from_db()
    assert high.current.required_approvals == 3
    assert len(entries()) == 1  # the publication itself


def test_the_page_shows_every_version_with_who_and_when_and_none_can_be_changed(policy_admin, high, resend):
    resend(policy_admin, page_of(high), required_approvals="2")
    page = policy_admin.get(page_of(high)).content.decode()
    assert page.count(high.versions.get(version=1).sha256) == 1
    resend(policy_admin, page_of(high), **{"versions-0-match": "true", "versions-0-required_approvals": "9"})
    assert list(high.versions.order_by("version").values_list("required_approvals", flat=True)) == [1, 2]
    assert high.versions.filter(match="true").count() == 0


def test_no_policy_is_deleted(admin_page, high, default):
    for policy in (high, default):
        assert admin_page.post(f"{LIST}{policy.pk}/delete/", {"post": "yes"}).status_code == 403
        admin_page.post(LIST, {"action": "delete_selected", "_selected_action": policy.pk, "post": "yes"})
    assert Policy.objects.filter(pk__in=[high.pk, default.pk]).count() == 2


def test_auditors_read_policies_and_change_none(staff, high, entries):
    client = staff("audrey", groups=("auditor",))
    page = client.get(page_of(high))
    assert high.current.match in page.context["inline_admin_formsets"][0].formset.queryset[0].match
    assert "priority == &#x27;high&#x27;" in page.content.decode()
    assert client.post(page_of(high), new_policy()).status_code == 403
    assert client.post(f"{LIST}add/", new_policy()).status_code == 403
    assert entries() == []


def test_policy_admins_manage_policies_and_nothing_else(policy_admin):
    assert policy_admin.get(LIST).status_code == 200
    for page in ("approvals/user", "approvals/apitoken", "approvals/producer", "auth/group", "approvals/patch"):
        assert policy_admin.get(f"/admin/{page}/").status_code == 403


def test_reviewers_of_the_staff_see_no_policy(staff, high):
    client = staff("rob", groups=("reviewer",))
    assert client.get(LIST).status_code == 403
    assert client.get(page_of(high)).status_code == 403


def test_arranging_keeps_a_version_that_was_published_meanwhile(high):
    stale = Policy.objects.get(pk=high.pk)
    now = timezone.now()
    published = policies.publish(
        high, {**terms_of(high), "auto_approve_threshold": Decimal("0.99")}, actor=SYSTEM, now=now
    )
    stale.position = 25
    policies.arrange(stale, actor=SYSTEM, now=now + timedelta(seconds=1))
    high.refresh_from_db()
    assert (high.position, high.current) == (25, published)


def test_the_service_puts_nothing_behind_the_default_policy(high, default, entries):
    high.position = default.position + 1
    with pytest.raises(Invalid, match="comes last"):
        policies.arrange(high, actor=SYSTEM, now=timezone.now())
    default.position = 1
    with pytest.raises(Invalid, match="comes last"):
        policies.arrange(default, actor=SYSTEM, now=timezone.now())
    assert entries() == []
