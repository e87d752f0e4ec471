"""Producers and tokens in the admin: trust and tokens change by services, and a secret is shown once."""

import json
import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from approvals.accounts.services import owners, tokens
from approvals.errors import Invalid, NotAllowed
from approvals.models import ApiToken, Producer, Proposal, TokenKind
from approvals.services import second_person
from audit.models import Entry
from tests.cast import EVIDENCE, SYSTEM, Api, actor_for, document, one_person_enough, trust

pytestmark = pytest.mark.django_db

PRODUCERS = "/admin/approvals/producer/"
TOKENS = "/admin/approvals/apitoken/"


def new_token(**changes):
    fields = {"name": "argo", "kind": "deployer", "producer": "", "expires_at_0": "", "expires_at_1": ""}
    return {**fields, **changes}


def secret_on(response):
    return response.context["secret"]


def everything_stored():
    """Return every row of every table as one text."""
    with connection.cursor() as cursor:
        cursor.execute("select schemaname, tablename from pg_tables where schemaname not like 'pg_%'")
        tables = [f'"{schema}"."{table}"' for schema, table in cursor.fetchall() if schema != "information_schema"]
        rows = []
        for table in tables:
            cursor.execute(f"select to_jsonb(t)::text from {table} t")
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def test_adding_a_producer_is_one_entry(admin_page, entries):
    assert admin_page.post(f"{PRODUCERS}add/", {"name": "patchgen"}).status_code == 302
    trustless = {"name": "patchgen", "trusted_for_ml": False, "trusted_for_wargaming": False}
    assert entries() == [{"old": None, "new": trustless}]


def test_trusting_a_producer_waits_for_a_second_person_and_is_one_entry(admin_page, producer, lena, entries, resend):
    page = f"{PRODUCERS}{producer.pk}/change/"
    refused = resend(admin_page, page, trusted_for_ml="on")
    assert refused.context["adminform"].form.errors["reason"]
    assert resend(admin_page, page, trusted_for_ml="on", reason="Its model was measured.").status_code == 302
    producer.refresh_from_db()
    assert not producer.trusted_for_ml
    (asked,) = entries()
    assert (asked["producer"], asked["change"]) == ("patchgen", {"trusted_for_ml": True})
    second_person.agree(Proposal.objects.get().pk, user=lena, actor=actor_for(lena), now=timezone.now())
    producer.refresh_from_db()
    assert (producer.trusted_for_ml, producer.trusted_for_wargaming) == (True, False)
    (entry,) = entries("producer.changed")
    assert (entry["old"]["trusted_for_ml"], entry["new"]["trusted_for_ml"]) == (False, True)


def test_a_new_producer_is_trusted_for_nothing_until_a_second_person_agrees(admin_page, lena, sign_in):
    sent = {"name": "forge", "trusted_for_wargaming": "on", "reason": "Its range is ours."}
    assert admin_page.post(f"{PRODUCERS}add/", sent).status_code == 302
    assert not Producer.objects.get(name="forge").trusted_for_wargaming
    page = sign_in(lena).get("/policies").content.decode()
    assert "Trust in forge" in page
    assert "Its wargaming results count as evidence for automatic approval." in page


def test_taking_trust_away_needs_nobody(admin_page, producer, resend):
    trust(producer)
    resend(admin_page, f"{PRODUCERS}{producer.pk}/change/", trusted_for_ml=None, trusted_for_wargaming=None)
    producer.refresh_from_db()
    assert not producer.trusted_for_ml
    assert not Proposal.objects.exists()


def test_saving_a_producer_without_a_change_writes_no_entry(admin_page, producer, entries, resend):
    assert resend(admin_page, f"{PRODUCERS}{producer.pk}/change/").status_code == 302
    assert entries() == []


def test_a_producer_keeps_its_name_and_is_never_deleted(admin_page, producer, entries, resend):
    resend(admin_page, f"{PRODUCERS}{producer.pk}/change/", name="other")
    assert admin_page.post(f"{PRODUCERS}{producer.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Producer.objects.get().name == "patchgen"
    assert entries() == []


def test_a_second_producer_of_a_name_is_refused_at_its_field(admin_page, producer, entries):
    response = admin_page.post(f"{PRODUCERS}add/", {"name": "patchgen"})
    assert response.context["adminform"].form.errors["name"]
    assert entries() == []


def test_staff_without_the_permission_see_producers_and_change_none(staff, producer, entries):
    client, page = staff("vera", "view_producer"), f"{PRODUCERS}{producer.pk}/change/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"trusted_for_ml": "on"}).status_code == 403
    assert client.post(f"{PRODUCERS}add/", {"name": "mine"}).status_code == 403
    assert entries() == []


def test_a_token_is_issued_and_its_secret_works(admin_page, make_patch, entries):
    make_patch()
    response = admin_page.post(f"{TOKENS}add/", new_token(scopes=["decisions:read"]))
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert response.content.decode().lower().count(secret_on(response).lower()) == 1  # nor capitalised, as a message
    assert Api(secret_on(response)).get("/hitl/patches/pending").status_code == 200
    token = ApiToken.objects.get(name="argo")
    assert (token.issued_by, token.scopes) == ("root", ["decisions:read"])
    (entry,) = entries("token")
    assert entry["kind"] == "deployer"
    assert entry["scopes"] == ["decisions:read"]


def test_both_parts_of_the_expiry_say_what_they_are(admin_page):
    page = admin_page.get(f"{TOKENS}add/").content.decode()
    assert 'aria-label="Expires on, date"' in page
    assert 'aria-label="Expires at, time"' in page


def test_the_secret_is_shown_once_and_is_nowhere_in_the_database_cookies_or_logs(admin_page, caplog):
    caplog.set_level(logging.DEBUG)
    response = admin_page.post(f"{TOKENS}add/", new_token())
    secret, prefix = secret_on(response), ApiToken.objects.get().prefix
    hidden = secret.removeprefix(f"hitl_{prefix}_")
    stored = everything_stored()
    assert prefix in stored  # so the search can find something
    assert hidden not in stored
    assert hidden not in json.dumps({name: morsel.value for name, morsel in admin_page.cookies.items()})
    assert hidden not in caplog.text
    for page in (TOKENS, f"{TOKENS}{ApiToken.objects.get().pk}/change/", "/admin/", f"{TOKENS}add/"):
        assert hidden not in admin_page.get(page).content.decode()


def test_a_producers_token_belongs_to_it(admin_page, producer, entries):
    admin_page.post(f"{TOKENS}add/", new_token(name="ci", kind="producer", producer=producer.pk))
    assert ApiToken.objects.get(name="ci").producer == producer
    (entry,) = entries("token.issued")
    assert (entry["producer"], entry["user"]) == ("patchgen", None)


def trusted_again(client):
    (asked,) = Proposal.objects.filter(state="open")
    return client.post(f"/policies/proposals/{asked.pk}/agree", follow=True).content.decode()


def test_a_token_for_a_trusted_producer_takes_its_trust_until_a_second_person_agrees(
    admin_page, producer, lena, sign_in, make_patch, enforce_everywhere, entries
):
    """Else whoever issues tokens could have a patch of their own approved without anybody."""
    with one_person_enough():
        Producer.objects.update(trusted_for_ml=True, trusted_for_wargaming=True)
    said = admin_page.post(f"{TOKENS}add/", new_token(name="ci", kind="producer", producer=producer.pk))
    assert "waits on the Policies page for a second person" in said.content.decode()
    producer.refresh_from_db()
    assert (producer.trusted_for_ml, producer.trusted_for_wargaming) == (False, False)
    sent = Api(secret_on(said)).post("/hitl/patches", document(patch_id="OWN", **EVIDENCE))
    assert sent.json()["status"] == "pending"
    assert "asked for this change" in admin_page.get("/policies").content.decode()
    page = sign_in(lena)
    assert "issued the token ci for it: ask who holds it." in page.get("/policies").content.decode()
    trusted_again(page)
    producer.refresh_from_db()
    assert (producer.trusted_for_ml, producer.trusted_for_wargaming) == (True, True)
    assert [entry["new"]["trusted_for_ml"] for entry in entries("producer.changed")] == [False, True]
    assert len(entries("proposal.applied")) == 1


def test_a_token_issued_while_trust_waits_makes_it_asked_for_again(admin_page, producer, lena, sign_in, resend):
    page = f"{PRODUCERS}{producer.pk}/change/"
    resend(admin_page, page, trusted_for_ml="on", reason="Its model was measured.")
    admin_page.post(f"{TOKENS}add/", new_token(name="ci", kind="producer", producer=producer.pk))
    assert "was changed after this was asked for" in trusted_again(sign_in(lena))
    producer.refresh_from_db()
    assert not producer.trusted_for_ml


def test_what_waits_already_is_asked_for_with_the_trust_that_a_token_takes(
    admin_page, producer, lena, sign_in, resend, entries
):
    with one_person_enough():
        Producer.objects.update(trusted_for_wargaming=True)
    resend(admin_page, f"{PRODUCERS}{producer.pk}/change/", trusted_for_ml="on", reason="Its model was measured.")
    admin_page.post(f"{TOKENS}add/", new_token(name="ci", kind="producer", producer=producer.pk))
    assert len(entries("proposal.withdrawn")) == 1
    trusted_again(sign_in(lena))
    producer.refresh_from_db()
    assert (producer.trusted_for_ml, producer.trusted_for_wargaming) == (True, True)


def test_without_a_second_person_in_the_install_a_token_leaves_the_trust(admin_page, producer, settings):
    settings.SECOND_PERSON_REQUIRED = False
    with one_person_enough():
        Producer.objects.update(trusted_for_ml=True)
    admin_page.post(f"{TOKENS}add/", new_token(name="ci", kind="producer", producer=producer.pk))
    producer.refresh_from_db()
    assert producer.trusted_for_ml
    assert not Proposal.objects.exists()


def test_an_administrator_whose_account_is_held_issues_no_token(admin_page, root):
    owners.hold(root, ["one-time link"], needs_lead=True, actor=SYSTEM, now=timezone.now())
    said = admin_page.post(f"{TOKENS}add/", new_token(), follow=True).content.decode()
    assert "decides nothing" in said
    assert not ApiToken.objects.exists()


def test_an_administrator_issues_no_personal_token(admin_page, root, alice):
    page = admin_page.get(f"{TOKENS}add/").content.decode()
    assert 'value="personal"' not in page
    admin_page.post(f"{TOKENS}add/", new_token(kind="personal", user=alice.pk))
    with pytest.raises(NotAllowed, match="issued by the person it acts as"):
        tokens.issue_token("hers", TokenKind.PERSONAL, actor=actor_for(root), now=timezone.now(), user=alice)
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": ""}, "kind"),
        ({"name": ""}, "name"),
        ({"kind": "producer"}, "producer"),
        ({"kind": "personal"}, "kind"),
        ({"scopes": ["patches:submit"]}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at"),
        ({"producer": "theirs"}, "producer"),
    ],
)
def test_a_token_that_cannot_be_issued_says_why_at_its_field(admin_page, alice, producer, entries, changes, field):
    if changes.get(field) == "theirs":
        changes = {field: producer.pk}
    response = admin_page.post(f"{TOKENS}add/", new_token(**changes))
    form = response.context["adminform"].form
    assert list(form.errors) == [field]
    assert not ApiToken.objects.exists()
    assert entries("token") == []


def test_a_revoked_token_stops_working_and_is_one_entry(admin_page, token_for, token_row, entries):
    secret = token_for("deployer", "argo")
    token, before = token_row(secret), len(entries("token.revoked"))
    response = admin_page.post(TOKENS, {"action": "revoke", "_selected_action": token.pk}, follow=True)
    assert "is revoked." in response.content.decode()
    assert Api(secret).get("/hitl/patches/pending").status_code == 401
    assert len(entries("token.revoked")) == before + 1


def test_revoking_again_says_so_and_changes_nothing(admin_page, token_for, token_row, entries):
    token = token_row(token_for("deployer", "argo"))
    at = timezone.now() - timedelta(days=1)
    tokens.revoke_token(token, actor=SYSTEM, now=at)
    response = admin_page.post(TOKENS, {"action": "revoke", "_selected_action": token.pk}, follow=True)
    assert "was revoked before; nothing was changed" in response.content.decode()
    token.refresh_from_db()
    assert token.revoked_at == at
    assert len(entries("token.revoked")) == 1


def test_a_get_revokes_nothing(admin_page, token_for, token_row, entries):
    token = token_row(token_for("deployer", "argo"))
    admin_page.get(TOKENS, {"action": "revoke", "_selected_action": token.pk})
    token.refresh_from_db()
    assert token.revoked_at is None
    assert entries("token.revoked") == []


def test_readers_of_tokens_issue_and_revoke_none(staff, token_for, token_row, entries):
    client, token = staff("vera", "view_apitoken"), token_row(token_for("deployer", "argo"))
    assert client.get(TOKENS).status_code == 200
    assert client.get(f"{TOKENS}{token.pk}/change/").status_code == 200
    assert client.post(f"{TOKENS}add/", new_token()).status_code == 403
    client.post(TOKENS, {"action": "revoke", "_selected_action": token.pk})
    token.refresh_from_db()
    assert token.revoked_at is None
    assert ApiToken.objects.count() == 1
    assert entries("token.revoked") == []


def test_a_token_is_neither_edited_nor_deleted(admin_page, token_for, token_row, entries):
    token = token_row(token_for("deployer", "argo"))
    written = Entry.objects.count()
    assert admin_page.post(f"{TOKENS}{token.pk}/change/", new_token(name="other")).status_code == 403
    assert admin_page.post(f"{TOKENS}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_page.post(TOKENS, {"action": "delete_selected", "_selected_action": token.pk, "post": "yes"})
    assert ApiToken.objects.get().name == "argo"
    assert Entry.objects.count() == written


def test_the_digest_of_a_token_is_on_no_page(admin_page, token_for, token_row):
    token = token_row(token_for("deployer", "argo"))
    for page in (TOKENS, f"{TOKENS}{token.pk}/change/"):
        assert token.digest not in admin_page.get(page).content.decode()


def test_the_service_names_the_field_that_is_wrong():
    now = timezone.now()
    for arguments, field in (
        ((TokenKind.DEPLOYER, ["patches:submit"], None, None), "scopes"),
        ((TokenKind.PERSONAL, [], None, None), "user"),
        ((TokenKind.MONITOR, [], None, now), "expires_at"),
    ):
        with pytest.raises(Invalid) as error:
            tokens.check_token(*arguments, now)
        assert error.value.errors
        assert error.value.errors[0]["loc"] == [field]
