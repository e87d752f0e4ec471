"""One walk through the API: every endpoint asked as docs/api-reference.md shows it, and what it answered."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.test import Client, override_settings
from django.utils import timezone

from approvals.models import Decision, User
from approvals.services.dispatch import dispatch
from tests.approvals.adapters.fake_github import SECRET, payload, signed
from tests.approvals.adapters.sarif import log_of
from tests.cast import DIFF, person

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
VARYING = re.compile(r'("(?:age_seconds|seconds|[a-z0-9_]*_seconds|seq|comment_id|[a-z_]*_ms|pk)": )-?\d+(?:\.\d+)?')
HASH = re.compile(r'("(?:leaf_hash|request_id)": )"[0-9a-f]{32,64}"')
JSON = {"application/json", "application/problem+json"}
PSEUDONYM = re.compile(r"\buser:\d+")
CURSOR = re.compile(r'("cursor": )"\d+"')
SPOKEN = re.compile(r"\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d UTC")
OF_CONTENT = re.compile(r"(?<=#)[0-9a-f]{64}|(?<=hitl-vex-)[0-9a-f]{32}|(?<=urn:uuid:)[0-9a-f-]{36}")
MOMENT = "2026-11-30T12:00:00Z"


@dataclass(slots=True)
class Exchange:
    """One request as somebody would send it, and its answer."""

    method: str
    template: str
    address: str
    caller: str
    body: str
    media: str
    status: int
    answered: str
    answer: str


@dataclass(slots=True)
class Walk:
    """The exchanges so far, and the callers by name. Ids and times of the run are replaced by fixed ones."""

    clients: dict[str, Client]
    exchanges: list[Exchange] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        caller: str,
        method: str,
        template: str,
        body: Any = None,
        query: str = "",
        lines: bool = False,
        **names: Any,
    ) -> Any:
        """Send one request and return what it answered, as JSON where it is JSON."""
        path = template.format(**names) + query
        media = "application/x-ndjson" if lines else "application/json"
        text = "\n".join(map(json.dumps, body)) + "\n" if lines else json.dumps(body, indent=2) if body else ""
        sent = self.clients[caller].generic(method, path, text, content_type=media)
        raw = _first_event(sent) if template == "/hitl/events" else b"".join(sent).decode()
        kind = sent["Content-Type"].split(";")[0]
        shown = json.dumps(json.loads(raw), indent=2, ensure_ascii=False) if kind in JSON else raw.strip()
        self.exchanges.append(
            Exchange(
                method, template, self.plain(path), caller, self.plain(text), media, sent.status_code, kind,
                self.plain(shown),
            )
        )  # fmt: skip
        return json.loads(raw) if kind in JSON else raw

    def plain(self, text: str) -> str:
        """Return text with the ids, times and numbers of this run replaced."""
        text = ID.sub(
            lambda found: self.ids.setdefault(found[0], f"0193a000-0000-7000-8000-{len(self.ids) + 1:012}"), text
        )
        text = TIME.sub(lambda found: found[0] if found[0].startswith("9999") else MOMENT, text)
        text = OF_CONTENT.sub("…", text).replace(f'"version": "{settings.VERSION}"', '"version": "1.0"')
        text = PSEUDONYM.sub("user:1", CURSOR.sub(r'\1"36"', text))
        text = SPOKEN.sub("30 Nov 2026 12:00:00 UTC", text)
        return HASH.sub(r'\1"e3b0…"', VARYING.sub(r"\g<1>1", text))


def _first_event(sent: Any) -> str:
    """Return the first event of a stream, and close it."""
    event: str = next(part.decode() for part in sent.streaming_content if b"event:" in part)
    sent.close()
    return event


def pushed(number: int, **changes: Any) -> dict[str, Any]:
    metadata = {
        "apv_id": f"APV-{number:04}",
        "severity": "high",
        "package_name": "shop",
        "cve_id": f"CVE-2024-{1000 + number}",
    }
    return {"patch_id": f"PATCH-{number:04}", "patch_metadata": metadata | changes, "diff": DIFF}


def walk(token_for: Callable[..., str], approve: Callable[..., Decision]) -> list[Exchange]:
    """Ask every endpoint once or more; the order makes each request one that may be asked."""
    people = {name: person(name, group) for name, group in (("alice", "reviewer"), ("lena", "security-leads"))}
    tokens = {"patchgen": token_for("producer"), "argo": token_for("deployer", "argo")}
    tokens |= {"auditor": token_for("auditor", "auditor")}
    tokens |= {name: token_for("personal", f"{name}'s", user=user) for name, user in people.items()}
    clients = {name: Client(headers={"Authorization": f"Bearer {token}"}) for name, token in tokens.items()}
    clients |= {"nobody": Client(), "old caller": Client(headers={"X-Admin-Token": tokens["patchgen"]})}
    made = Walk(clients)
    _producers(made)
    _people(made, approve, people["alice"])
    _deployers(made)
    _gates(made)
    _adapters(made)
    _auditors(made)
    made.ask("alice", "GET", "/hitl/events")  # a stream lets its connection go
    return made.exchanges


def _producers(made: Walk) -> None:
    push = "/hitl/patches"
    made.ask("patchgen", "POST", push, pushed(1))
    made.ask("patchgen", "POST", push, pushed(1, severity="rather bad"))
    made.ask("nobody", "POST", push, pushed(1))
    made.ask("patchgen", "POST", "/hitl/patches/bulk", [pushed(2), pushed(3), {"patch_id": "PATCH-0004"}], lines=True)
    made.ask("old caller", "POST", "/hitl/admin/create-decision", pushed(5) | {"decision_id": "old-5"})
    made.ask("patchgen", "GET", "/hitl/patches/{patch_id}", patch_id="PATCH-0001")
    made.ask("patchgen", "GET", "/hitl/patches/{patch_id}", patch_id="PATCH-9999")


def _people(made: Walk, approve: Callable[..., Decision], alice: User) -> None:
    made.ask("alice", "GET", "/hitl/patches/pending", query="?severity=high&limit=1")
    made.ask("alice", "GET", "/hitl/patches/{patch_id}/diff", patch_id="PATCH-0001")
    seen = {row.patch.patch_id: _seen(row) for row in Decision.objects.select_related("patch")}

    def act(who: str, name: str, number: int, **more: Any) -> Any:
        patch_id = f"PATCH-{number:04}"
        return made.ask(who, "POST", f"/hitl/patches/{{patch_id}}/{name}", seen[patch_id] | more, patch_id=patch_id)

    act("alice", "comment", 1, comment="Does this cover the second query?", file="app.py", line=1)
    act("alice", "approve", 1, comment="Binds the value.")
    act("alice", "approve", 1)
    act("patchgen", "approve", 2)
    act("alice", "reject", 2, category="incomplete", reason="It misses the second call site.")
    act("alice", "request-changes", 3, reason="Please bind the table name as well.")
    act("alice", "escalate", 5, reason="I do not know this code.")
    act("lena", "extend", 5, seconds=3600, reason="The owner answers tomorrow.")
    critical = made.clients["patchgen"].post("/hitl/patches", pushed(6, severity="critical"), "application/json").json()
    decision = Decision.objects.select_related("patch").get(decision_id=critical["decision_id"])
    approve(decision, alice)
    seen["PATCH-0006"] = _seen(decision)
    act("alice", "withdraw", 6, reason="I read the wrong version.")
    act("patchgen", "cancel", 6, reason="Replaced by an upgrade.")
    made.clients["patchgen"].post("/hitl/patches", pushed(7, severity="low"), "application/json")
    low = _seen(Decision.objects.select_related("patch").get(patch__patch_id="PATCH-0007"))
    items = [low, {"decision_id": low["decision_id"], "patch_sha256": "0" * 64}]
    made.ask("alice", "POST", "/hitl/decisions/bulk", {"verdict": "approve", "items": items})
    act("lena", "revoke", 1, reason="It breaks the checkout.")


def _seen(decision: Decision) -> dict[str, str]:
    return {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}


def _deployers(made: Walk) -> None:
    dispatch()
    feed = made.ask("argo", "GET", "/hitl/decisions", query="?after=0&limit=1")
    [item] = feed
    decision_id, position = item["decision_id"], item["position"]
    made.ask("argo", "GET", "/hitl/decisions/{decision_id}", decision_id=decision_id)
    path = "/hitl/decisions/{decision_id}/acknowledge"
    made.ask("argo", "POST", path, {"position": position}, decision_id=decision_id)
    made.ask("argo", "POST", path, {"position": 999_999}, decision_id=decision_id)
    path = "/hitl/patches/{patch_id}/outcome"
    before = datetime.fromisoformat(item["at"]) - timedelta(seconds=1)  # than the revocation, on any machine
    report = {"deployed_sha256": item["patch_sha256"], "result": "deployed", "at": before.isoformat()}
    made.ask("argo", "POST", path, report, patch_id=item["patch_id"])
    made.ask("argo", "POST", path, report | {"deployed_sha256": "0" * 64}, patch_id=item["patch_id"])


def _gates(made: Walk) -> None:
    base = {"workflow_id": "deploy", "job_id": "approve", "context": {"image": "shop:7"}}
    gates = [
        made.ask("patchgen", "POST", "/api/approvals", base | {"title": f"Deploy shop {run}", "execution_id": run})
        if run == "run-1"
        else made.clients["patchgen"]
        .post("/api/approvals", base | {"title": f"Deploy shop {run}", "execution_id": run}, "application/json")
        .json()
        for run in ("run-1", "run-2", "run-3")
    ]
    made.ask("patchgen", "GET", "/api/approvals/{gate_id}", gate_id=gates[0]["id"])
    made.ask("alice", "GET", "/api/approvals/pending", query="?page_size=1")
    made.ask("alice", "GET", "/api/approvals", query="?type=pending&page_size=1")
    path = "/api/approvals/{gate_id}/"
    made.ask("alice", "POST", path + "approve", {"digest": gates[0]["digest"]}, gate_id=gates[0]["id"])
    made.ask("alice", "POST", path + "approve", {"digest": "0" * 64}, gate_id=gates[1]["id"])
    made.ask(
        "alice", "POST", path + "reject", {"digest": gates[1]["digest"], "reason": "The canary failed."},
        gate_id=gates[1]["id"],
    )  # fmt: skip
    made.ask(
        "patchgen", "POST", path + "cancel", {"digest": gates[2]["digest"], "reason": "The run was stopped."},
        gate_id=gates[2]["id"],
    )  # fmt: skip
    made.ask("alice", "GET", "/api/approvals/history", query="?page_size=1")
    made.ask("alice", "GET", "/api/approvals/stats")


def _adapters(made: Walk) -> None:
    """The patch that was approved in bulk is deployed."""
    decision = Decision.objects.select_related("patch").get(patch__patch_id="PATCH-0007")
    at = (timezone.now() + timedelta(seconds=1)).isoformat()
    report = {"deployed_sha256": decision.patch.sha256, "result": "deployed", "at": at}
    made.clients["argo"].post("/hitl/patches/PATCH-0007/outcome", report, "application/json")
    for form in ("openvex", "csaf", "cyclonedx"):
        made.ask("argo", "GET", "/hitl/adapters/vex/{form}", form=form)
    made.ask("argo", "GET", "/hitl/adapters/vex/{form}", form="openvex", query="?cve=CVE-1999-0001")
    made.ask("patchgen", "POST", "/hitl/adapters/sarif", log_of())
    made.ask("argo", "GET", "/hitl/adapters/sarif", query="?cve=CVE-2024-1007")
    asked = payload()
    with override_settings(GITHUB_WEBHOOK_SECRET=SECRET):
        body = json.dumps(asked, indent=2).encode()
        headers = {"X-GitHub-Event": "deployment_protection_rule", "X-GitHub-Delivery": "1"}
        made.clients["github"] = Client(headers=headers | {"X-Hub-Signature-256": signed(body)})
        made.ask("github", "POST", "/hitl/adapters/github", asked)


def _auditors(made: Walk) -> None:
    dispatch()
    made.ask("auditor", "GET", "/hitl/analytics/audit-logs", query="?limit=1&action=decision.approved")
    made.ask("auditor", "GET", "/hitl/analytics/summary")
    made.ask("patchgen", "GET", "/hitl/analytics/summary")
