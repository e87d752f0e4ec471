"""Who sees what: every field against every caller on every channel. A field holds a bird; whoever may not see the field
meets its bird nowhere, whoever may meets it somewhere."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.api.events import frame
from approvals.models import Decision, Verdict
from approvals.policy.visible_fields import (
    EVERYBODY,
    OPENED,
    VISIBLE,
    Reader,
    reader_among,
    seen_column,
    sees,
    why_hidden,
)
from approvals.services.dispatch import dispatch
from approvals.views.differences import LABELS
from approvals.views.export import COLUMNS, FIELDS
from tests.approvals.api.test_intake import FULL
from tests.cast import Api, document, gate_request
from tests.html import one_line

pytestmark = pytest.mark.django_db

DIFF = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n-siskin = 1\n+siskin = 2\n run()\n"
PEOPLE = {"submitted_by": "dunlin", "triggered_by": "knot", "model_owner": "sanderling", "simulation_author": "stint"}
BIRDS = {
    "title": "kestrel",
    "description": "heron",
    "cve_description": "curlew",
    "affected_range": "plover",
    "references": "egret",
    "affected_systems": "osprey",
    "repository": "wigeon",
    "base_commit": "gadwall",
    "vulnerable_locations": "grebe",
    "ml_model_version": "avocet",
    "decided_by": "alice",
    "acknowledgements": "cassowary",
    "outcomes.note": "garganey",
    "diff": "siskin",
    "reason": "linnet",
    "comment": "twite",
    "revocation.reason": "brambling",
    "request": "dotterel",
    **PEOPLE,
    "comments.text": "redpoll",
    "shap_values": "godwit",
    "error_message": "phalarope",
    "exploit_id": "bittern",
    "phases": "whimbrel",
    "run_url": "merlin",
    "log": "lapwing",
    "manual_review_reason": "goshawk",
}
REASONS = {"reason", "comment", "revocation.reason", "outcomes.note", "diff", "request"}
RUN = {"shap_values", "error_message", "exploit_id", "phases", "run_url", "log", "manual_review_reason"}
NOT_TO_SEE: dict[Reader, set[str]] = {
    Reader.OWN_PRODUCER: set(),
    Reader.OTHER_PRODUCER: set(BIRDS),
    Reader.DEPLOYER: {*RUN, *PEOPLE, "comments.text"},
    Reader.NARROWED: {*RUN, *PEOPLE, "comments.text", *REASONS},
    Reader.AUDITOR: set(),
    Reader.VIEWER: {*REASONS, "comments.text", "log", "manual_review_reason"},
    Reader.REVIEWER: set(),
    Reader.LEAD: set(),
}
"""As the issue and the contract say it, written apart from the table that is under test."""
EVERY: dict[str, Any] = FULL
ONLY_IN_THE_API = {"comment"}  # words beside an approval: no page shows them to anybody
PEOPLE_WHO_READ = [Reader.AUDITOR, Reader.VIEWER, Reader.REVIEWER, Reader.LEAD]


def full(**changes: Any) -> dict[str, Any]:
    """Return an intake document in which each field that is not for everybody holds its bird."""
    metadata: dict[str, Any] = {
        name: BIRDS[name] for name in ("title", "description", "cve_description", "affected_range")
    }
    metadata |= {"references": ["https://egret.example.org/advisory"], "affected_systems": ["osprey-01"]}
    metadata |= {"repository": "https://example.org/wigeon", "base_commit": "gadwall"}
    metadata |= {"vulnerable_locations": [{"file": "grebe.py", "start": 10, "end": 20}]}
    score: dict[str, Any] = {"model_version": "avocet", "shap_values": {"godwit": 0.37}}
    run: dict[str, Any] = {"exploit_id": "bittern", "run_url": "https://merlin.example.org/run/1", "log": "lapwing"}
    run["phases"] = [{"name": "whimbrel", "success": True}]
    return {
        **EVERY,
        "diff": DIFF,
        "manual_review_reason": "goshawk",
        "decision_id": None,
        "priority": None,
        **{role: f"{name}@example.org" for role, name in PEOPLE.items()},
        "patch_metadata": {**EVERY["patch_metadata"], **metadata, "severity": "low", "kev": False, "cvss_score": None},
        "ml_prediction": {**EVERY["ml_prediction"], **score},
        "wargaming_result": {**EVERY["wargaming_result"], **run},
        **changes,
    }


def taken(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


@pytest.fixture
def items(producer_api, token_for, api_of, alice, lena, approve) -> dict[str, Decision]:
    """Return a patch in each state that shows a field: waiting, rejected after a failed run, revoked; and two gates."""
    broken = {"phase1_success": True, "phase2_success": None, "validation_passed": None, "error_message": "phalarope"}
    sent = {
        "waiting": full(patch_id="P-1"),
        "rejected": full(patch_id="P-2", wargaming_result=broken),
        "revoked": full(patch_id="P-3", decision_id="the-third"),
        "older": full(patch_id="P-4", diff=DIFF.replace("= 2", "= 3")),
        "newer": full(patch_id="P-4", manual_review_reason="goshawk again"),
    }
    made = {name: taken(producer_api.post("/hitl/patches", body)) for name, body in sent.items()}
    gate = gate_request(context={"bird": "dotterel"}, title="kestrel")
    for name, body in {"gate": gate, "ended": {**gate, "execution_id": "run-2"}}.items():
        made[name] = {"decision_id": taken(producer_api.post("/api/approvals", body))["id"]}
    found = {name: Decision.objects.get(decision_id=one["decision_id"]) for name, one in made.items()}
    for name in ("waiting", "revoked", "gate"):
        said = {"decision_id": str(found[name].decision_id), "comment": "redpoll"}
        assert api_of(alice).post(f"/hitl/patches/{found[name].patch.patch_id}/comment", said).status_code == 201
    approve(found["rejected"], alice, Verdict.REJECT, text="linnet", category="incomplete")
    approve(found["ended"], alice, Verdict.REJECT, text="linnet", category="incomplete")
    approve(found["revoked"], alice, text="twite")
    said = {"decision_id": made["revoked"]["decision_id"], "patch_sha256": found["revoked"].patch.sha256}
    assert api_of(lena).post("/hitl/patches/P-3/revoke", {**said, "reason": "brambling"}).status_code == 200
    dispatch()
    acted = Api(token_for("deployer", "cassowary"))
    item = next(one for one in acted.get("/hitl/decisions").json() if one["status"] == "revoked")
    done = acted.post(f"/hitl/decisions/{item['decision_id']}/acknowledge", {"position": item["position"]})
    assert done.status_code == 200, done.content
    report = {"deployed_sha256": "0" * 64, "result": "deployed", "at": timezone.now().isoformat(), "note": "garganey"}
    assert acted.post(f"/hitl/patches/{item['patch_id']}/outcome", report).json()["alarm"] == "differs"
    return {name: Decision.objects.get(pk=one.pk) for name, one in found.items()}


@pytest.fixture
def caller(token_for, producer_api, api_of, audrey, carol, bob, lena) -> Callable[[Reader], Api]:
    """Return a function that gives the caller which is this reader of patchgen's patches."""
    make: dict[Reader, Callable[[], Api]] = {
        Reader.OWN_PRODUCER: lambda: producer_api,
        Reader.OTHER_PRODUCER: lambda: Api(token_for("producer", "othergen")),
        Reader.DEPLOYER: lambda: Api(token_for("deployer", "argo")),
        Reader.NARROWED: lambda: Api(token_for("deployer", "blind", scopes=["decisions:read"])),
        Reader.AUDITOR: lambda: Api(token_for("auditor", "audit")),
        Reader.VIEWER: lambda: api_of(carol),
        Reader.REVIEWER: lambda: api_of(bob),
        Reader.LEAD: lambda: api_of(lena),
    }
    return lambda reader: make[reader]()


def channels(items: dict[str, Decision]) -> list[str]:
    """Return every address of the API that says something of a patch or a gate."""
    of_each = [f"/hitl/decisions/{one.decision_id}" for one in items.values()]
    patches = [f"/hitl/patches/{one.patch.patch_id}" for one in items.values()]
    patches += [f"{path}/diff{query}" for path in patches for query in ("", "?form=canonical")]
    theirs = [f"{path}{'&' if '?' in path else '?'}producer=patchgen" for path in patches]
    gates = [f"/api/approvals/{items[name].decision_id}" for name in ("gate", "ended")]
    lists = ["/hitl/patches/pending", "/hitl/patches/pending?q=kestrel", "/hitl/decisions", "/hitl/decisions/the-third"]
    return [*lists, *of_each, *patches, *theirs, "/api/approvals/pending", "/api/approvals/history", *gates]


def pages(items: dict[str, Decision]) -> list[str]:
    """Return every page and fragment that says something of a patch or a gate."""
    found = [reverse("queue"), reverse("history"), reverse("history-csv"), f"{reverse('queue')}?q=kestrel"]
    found.append(f"{reverse('queue-cards')}?" + "&".join(f"id={one.decision_id}" for one in items.values()))
    for name, one in items.items():
        at = partial(reverse, args=[one.decision_id])
        found += [at("patch-detail"), at("patch-raw"), at("patch-panel"), at("patch-outcome")]
        found += [reverse("patch-text", args=[one.decision_id, part]) for part in ("whole", "log", "steps", "request")]
        found += [reverse("patch-file", args=[one.decision_id, "f1"])]
        found += [reverse("patch-compare", args=[one.decision_id, 1])] if name == "newer" else []
    two = [items[name].decision_id for name in ("waiting", "older")]
    return [*found, reverse("patch-compare-patches", args=two)]


def said(client: Client, address: str) -> str:
    """Return what an address answers, as a page, and as a fragment where that differs."""
    answers = [client.get(address), client.get(address, headers={"HX-Request": "true"})]
    assert all(answer.status_code in {200, 302, 403, 404, 409} for answer in answers), address
    return "".join((b"".join(answer) if answer.streaming else answer.content).decode() for answer in answers)


def met(texts: dict[str, str], field: str) -> list[str]:
    return [address for address, text in texts.items() if BIRDS[field] in text]


@pytest.mark.parametrize("reader", Reader)
def test_the_api_shows_each_caller_what_is_theirs_to_see_and_nothing_else(items, caller, reader):
    client = caller(reader).client
    # What a caller asks for comes back in the address of the next page alone.
    texts = {address: said(client, address) for address in channels(items)}
    for field in BIRDS:
        if field in NOT_TO_SEE[reader]:
            assert not met(texts, field), f"{field}, {BIRDS[field]}"
        else:
            assert met(texts, field), f"{field}, {BIRDS[field]}"


@pytest.mark.parametrize("reader", PEOPLE_WHO_READ)
def test_pages_show_each_person_what_the_api_gives_them(items, sign_in, audrey, carol, bob, lena, reader):
    person = dict(zip(PEOPLE_WHO_READ, (audrey, carol, bob, lena), strict=True))[reader]
    client = sign_in(person)
    texts = {address: said(client, address) for address in pages(items)}
    texts[reverse("queue") + "?q=kestrel"] = ""  # the page says again what was sought
    for field in BIRDS:
        if field in NOT_TO_SEE[reader]:
            assert not met(texts, field), f"{field}, {BIRDS[field]}"
        elif field not in ONLY_IN_THE_API:
            assert met(texts, field), f"{field}, {BIRDS[field]}"


def answers_of(api: Api, items: dict[str, Decision]) -> dict[str, Any]:
    """Return every JSON answer, each with a name; lists as objects by place."""
    found = {address: api.client.get(address) for address in channels(items) if "/diff" not in address}
    return {address: answer.json() for address, answer in found.items() if answer.status_code == 200}


def parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every field of an answer as the table calls it, with its value."""
    for one in value if isinstance(value, list) else [value]:
        for part, held in one.items() if isinstance(one, dict) else ():
            path = f"{name}.{part}" if name else part
            yield path, held
            if path in OPENED:
                yield from parts(path, held)


def rows(answer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an answer, or of each row of a list of gates."""
    is_page = isinstance(answer, dict) and "total_is_exact" in answer
    yield from parts("", answer["approvals"] if is_page else answer)


@pytest.mark.parametrize("reader", Reader)
def test_every_field_is_in_the_table_and_null_where_it_says_so(items, caller, reader):
    met, seen = set(), set()
    for address, answer in answers_of(caller(reader), items).items():
        for name, value in rows(answer):
            met.add(name)
            assert name in VISIBLE, f"{name} of {address} is in no row of the table"
            assert sees(reader, name) or value is None, f"{name} of {address} is not for a {reader}"
            if value is not None:
                seen.add(name)
    if reader in {Reader.OWN_PRODUCER, Reader.AUDITOR, Reader.LEAD, Reader.REVIEWER}:
        never = {"reviews.in_name_of", "reviews.withdrawn_at", "comments.file", "comments.line", "comments.side"}
        never |= {"patch_metadata.cvss_score", "requested_priority", "sla_due_at", "no_canonical", "ambiguous"}
        assert met - seen <= never | {"effective_cvss"}, "fields that hold nothing here prove nothing"


def test_no_row_of_the_table_is_for_nothing(items, caller, lena, sign_in):
    """A row that no channel reads would promise what nobody keeps."""
    met = {name for answer in answers_of(caller(Reader.LEAD), items).values() for name, _ in rows(answer)}
    exported = {FIELDS.get(name, name) for name in COLUMNS}
    elsewhere = {"diff", "same_lines", "refusals", "event", "newest_revision"}  # pages, filters, streams, intake
    assert set(VISIBLE) == met | exported | elsewhere


def test_what_is_in_no_row_is_for_nobody():
    assert not any(sees(reader, "a column of tomorrow") for reader in Reader)


def test_the_columns_of_a_comparison_are_fields_of_the_table():
    unknown = [name for labels in LABELS.values() for name in labels if not seen_column(Reader.LEAD, name)]
    assert unknown == []


def test_filters_tell_another_producer_nothing_of_what_it_may_not_see(items, caller):
    other, mine = caller(Reader.OTHER_PRODUCER), caller(Reader.OWN_PRODUCER)
    lines, waiting = items["waiting"].patch.change_sha256, ("waiting", "newer", "gate")
    for query in ("q=kestrel", f"lines={lines}", "careful=true"):
        answer = other.client.get(f"/hitl/patches/pending?{query}")
        assert (answer.json(), answer["X-Total-Count"]) == ([], "0"), query
    found = mine.client.get("/hitl/patches/pending?q=kestrel").json()
    assert {row["decision_id"] for row in found} == {str(items[name].decision_id) for name in waiting}
    assert len(other.client.get("/hitl/patches/pending").json()) == len(waiting)


def test_another_producer_that_is_refused_learns_of_nobody_either(items, token_for):
    api = Api(token_for("producer", "othergen", scopes=["decisions:read", "comments:write", "patches:cancel"]))
    one = items["rejected"]
    body = {"decision_id": str(one.decision_id), "patch_sha256": "0" * 64}
    for act, words in (("comment", {"comment": "Hello."}), ("cancel", {"reason": "Mine."})):
        refused = api.post(f"/hitl/patches/P-2/{act}", body | words)
        assert refused.status_code == 403
        assert "alice" not in one_line(refused)


def test_a_stream_says_only_what_everybody_sees():
    sent = frame({"event": "decision.changed", "decision_id": "d", "id": 7, "decided_by": "alice"})
    data = json.loads(sent.split("data: ")[1])
    assert data == {"decision_id": "d"}
    assert VISIBLE["decision_id"] == EVERYBODY


def test_a_page_says_in_words_what_it_does_not_show(items, sign_in, carol):
    client = sign_in(carol)
    page = one_line(client.get(reverse("patch-detail", args=[items["waiting"].decision_id])))
    for field in ("diff", "manual_review_reason", "wargaming_result.log", "comments.text"):
        assert why_hidden(field) in page, field
    assert "1 file</b> changed" in page
    assert "No file is changed" not in page
    assert reverse("patch-text", args=[items["waiting"].decision_id, "whole"]) not in page
    assert reverse("patch-raw", args=[items["waiting"].decision_id]) not in page
    assert why_hidden("reason") in said(client, reverse("patch-detail", args=[items["rejected"].decision_id]))
    gate = one_line(client.get(reverse("patch-detail", args=[items["gate"].decision_id])))
    assert why_hidden("request") in gate
    assert "The workflow sent no context" not in gate
    assert why_hidden("diff") in said(client, reverse("patch-compare", args=[items["newer"].decision_id, 1]))


@pytest.mark.parametrize("part", ["whole", "log"])
def test_the_address_of_a_part_answers_403_with_the_sentence(items, sign_in, carol, part):
    answer = sign_in(carol).get(reverse("patch-text", args=[items["waiting"].decision_id, part]))
    assert answer.status_code == 403
    assert "Your groups do not include reading" in one_line(answer)


def test_who_does_not_see_the_diff_has_not_read_it(make_patch, sign_in, carol, alice):
    """Opening a page lets its person approve from a card later; a page without the diff does not."""
    decision = make_patch()
    for person in (carol, alice):
        sign_in(person).get(reverse("patch-detail", args=[decision.decision_id]))
    assert list(decision.patch.views.values_list("user__username", flat=True)) == ["alice"]


@pytest.mark.parametrize(
    ("permissions", "reader"),
    [
        ([], Reader.VIEWER),
        (["review_decision"], Reader.VIEWER),
        (["view_diff"], Reader.AUDITOR),
        (["view_diff", "review_decision"], Reader.REVIEWER),
        (["view_diff", "review_decision", "lead_decision"], Reader.LEAD),
    ],
)
def test_what_a_persons_groups_allow_says_which_reader_they_are(permissions, reader):
    assert reader_among([f"approvals.{name}" for name in permissions]) == reader


def test_a_patch_of_little_is_not_taken_for_a_hidden_one(producer_api, caller):
    """null for a viewer says 'not sent' of what they may see: the page says which it is."""
    made = producer_api.post("/hitl/patches", document()).json()
    record = caller(Reader.VIEWER).get(f"/hitl/decisions/{made['decision_id']}").json()
    assert (record["patch_metadata"]["description"], record["patch_metadata"]["references"]) == (None, [])
