"""Every query parameter of every page and list of the API: what is forged or extreme is refused or ignored, never ours
to break on. `make soak` gives each address five seconds."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.api import caller
from approvals.api.caller import Bucket
from approvals.diff.parse import parse
from approvals.forms import HistoryForm, QueueForm
from approvals.models import Policy, User
from hitl.api import api
from tests.cast import DIFF

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent

QUEUE = {*QueueForm.base_fields, "confidence_min", "confidence_max", "cursor", "id", "since"}
HISTORY = {*HistoryForm.base_fields, "cursor"}
AUDIT = {"action", "actor", "object", "since", "until", "before", "after", "decision", "q"}
LIST = {"q", "p", "o", "all", "e", "_facets", "_popup", "_to_field", "created_at__gte", "id__exact", "id__gt"}
PAGES: dict[str, set[str]] = {
    "/": QUEUE,
    "/cards": QUEUE,
    "/counts": QUEUE,
    **{f"/facets/{name}": QUEUE for name in ("package", "producer", "nothing")},
    "/bulk": {"id", "next", "decision", "items", "verdict"},
    "/history": HISTORY,
    "/history.csv": HISTORY,
    "/deployments": {"show", "cursor"},
    "/deliveries": {"state", "channel", "endpoint", "cursor"},
    "/history/imported": {"q", "source", "outcome", "cursor"},
    "/inbox": {"show", "cursor"},
    "/accounts/notifications": {"next"},
    "/revoke": {"cve", "package", "producer", "policy", "reviewer", "since", "until", "q", "reason", "model"},
    "/analytics": {"days"},
    "/policies": {"q"},
    "/policies/new": {"from", "to"},
    "/policies/{policy}": {"from", "to", "try"},
    "/policies/{policy}/edit": {"from", "to"},
    "/bypasses": {"decision"},
    "/patches/{patch}": {"step", "view", "from", "at", "file", "before"},
    "/patches/{patch}/files/{file}": {"file", "from", "view", "at", "before"},
    "/patches/{patch}/text/whole": {"from"},
    "/patches/{gate}/text/request": {"from"},
    "/patches/{patch}/raw": {"form", "file", "from"},
    "/patches/{patch}/panel": {"at", "view", "since"},
    "/patches/{patch}/outcome": {"at", "view", "since"},
    "/patches/{patch}/compare/1": {"file", "from", "view"},
    "/patches/{patch}/compare/{other}": {"file", "from", "view"},
    "/accounts/": {"next"},
    "/accounts/login": {"next"},
    "/accounts/confirm": {"next", "by"},
    "/audit/": AUDIT,
    "/audit/entries": AUDIT,
    "/admin/": {"next"},
    "/admin/login/": {"next"},
    "/admin/approvals/user/": LIST | {"groups__id__exact", "is_active__exact", "last_login__gte"},
    "/admin/approvals/decision/": LIST | {"status__exact", "priority__exact", "created_at__lt"},
    "/admin/approvals/apitoken/": LIST | {"kind__exact"},
    "/admin/approvals/producer/": LIST,
}
NOT_THERE = {"/facets/nothing", "/bulk", "/patches/{patch}/outcome"}
DATES = [
    "0001-01-01", "9999-12-31", "0000-00-00", "2024-02-30", "99999-01-01", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00Z", "2024-01-01T00:00", "1e18",
    "2024-01-01T00:00:00-17:39", "2024-01-01T00:00:00+23:59", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
    "-1e18", "1e400",
    "253402300800", "31/12/9999", "01/01/0001",
]  # fmt: skip
NUMBERS = ["-1", "0", "1e999", "NaN", "-inf", str(2**31), str(2**63), "9" * 400, "9" * 5_000, "\u0663", "\u00b2", "1_0"]
ODD = ["", " ", "%", "\\", "'", "\x00", "\ud800", "\u202e", "a" * 5_000, "//e", "[", "(", "*", "f1", "f-1", "old:1:2:3"]
EXTREME = [*DATES, *NUMBERS, *ODD]
LATEST = [
    "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00", "2024-01-01T00:00:00+00:00",
    "2024-01-01T00:00:00-17:39", "9999-12-31T23:59:59-23:59",
]  # fmt: skip


def forged(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


CURSORS = [forged([False, *values]) for values in ([4, *LATEST], [2**63, 2**31, "x"], [None], [float("nan")] * 3)]
CURSORS += ["W" * 8_000, base64.urlsafe_b64encode(b"[" * 5_000).decode(), "9" * 18, "9" * 5_000]
part = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from([*EXTREME, *LATEST])
)
cursors = st.lists(part, max_size=5).flatmap(lambda rest: st.booleans().map(lambda back: forged([back, *rest])))
values = st.one_of(st.sampled_from(EXTREME), st.text(max_size=20), st.integers().map(str), cursors)


def query_of(names: set[str]) -> Any:
    """Return queries of some of these names, some given twice."""
    pairs = st.tuples(st.sampled_from(sorted(names)), values)
    return st.lists(pairs, min_size=1, max_size=4).map(written)


def written(pairs: list[tuple[str, str]]) -> str:
    return urlencode([(name, value.encode("utf-8", "surrogatepass")) for name, value in pairs])


WAITS = {"wait"}  # a good one holds the test up; the API's own tests have the others


def lists_of_the_api() -> dict[str, set[str]]:
    """Return the API's addresses that take parameters, as its own description says."""
    return {
        path: names
        for path, said in api.get_openapi_schema()["paths"].items()
        if "get" in said and (names := {p["name"] for p in said["get"]["parameters"] if p.get("in") == "query"} - WAITS)
    }


LISTS = lists_of_the_api()


@pytest.fixture
def places(make_patch, make_gate) -> dict[str, str]:
    """Return what an address names: a patch, another, a gate, a policy."""
    first = make_patch(patch_id="P")
    ids = {"patch": first, "other": make_patch(patch_id="Q"), "gate": make_gate()}
    [file] = parse(DIFF.encode()).files
    found = {name: str(decision.decision_id) for name, decision in ids.items()}
    found |= {"file": file.key, "patch_id": "P", "decision_id": found["patch"], "gate_id": found["gate"]}
    found["form"] = "openvex"
    return found | {"policy": str(Policy.objects.order_by("id").values_list("pk", flat=True)[0])}


@pytest.fixture
def admin(db: None) -> User:
    """Return somebody whom every page opens to."""
    user = User.objects.create_superuser("root", "root@example.org", "correct horse battery staple")
    user.groups.set(Group.objects.all())
    return user


def ask(client: Any, address: str, names: set[str], places: dict[str, str], seconds: float) -> None:
    """Ask with what hypothesis thinks of, and with each extreme value alone in each place."""
    address = address.format(**places)

    ends = time.monotonic() + (seconds or 3_600)

    @settings(
        max_examples=1_000 if seconds else 12,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(query_of(names))
    def anything(query: str) -> None:
        if time.monotonic() < ends:
            holds(client, address, query)

    for value in EXTREME if seconds else [*DATES, "\x00", "²"]:  # ² is a digit, and no number
        holds(client, address, written([(name, value) for name in sorted(names)]))
    anything()


def holds(client: Any, address: str, query: str) -> None:
    answer = client.get(f"{address}?{query}")
    assert answer.status_code in {200, 204, 302, 400, 403, 404, 405, 409, 422}, f"{address}?{query}"


@pytest.mark.parametrize("address", PAGES)
def test_no_parameter_breaks_a_page(address, places, sign_in, admin):
    client = sign_in(admin)
    there = client.get(address.format(**places)).status_code
    assert there in {200, 204, 302} or address in NOT_THERE, there
    ask(client, address, PAGES[address], places, 0)


@pytest.mark.soak
@pytest.mark.parametrize("address", [*PAGES, *LISTS])
def test_no_parameter_breaks_anything_in_five_seconds(address, places, sign_in, admin, monkeypatch):
    monkeypatch.setattr(caller, "requests", Bucket(0))
    ask(sign_in(admin), address, (PAGES | LISTS)[address], places, 5)


@pytest.mark.parametrize("address", LISTS)
def test_no_parameter_breaks_a_list_of_the_api(address, places, api_of, admin, monkeypatch):
    monkeypatch.setattr(caller, "requests", Bucket(0))
    names = LISTS[address]
    client = api_of(admin).client
    for name in sorted(names):
        values = DATES + LATEST if name in {"since", "until"} else NUMBERS if name != "cursor" else CURSORS
        for value in values:
            holds(client, address.format(**places), written([(name, value)]))
    ask(client, address, names, places, 0)


def test_every_parameter_that_a_page_reads_is_tried():
    """A new one is added to the table above."""
    read = re.compile(r"request\.GET(?:\.get(?:list)?\(|\[)\s*\"(\w+)\"")
    found = {
        name
        for app in ("approvals", "audit", "notifications")
        for path in (ROOT / app).rglob("*.py")
        for name in read.findall(path.read_text("utf-8"))
    }
    assert found - set().union(*PAGES.values()) == set()
