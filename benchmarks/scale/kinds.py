"""What is asked: the addresses of people and machines, and how much dearer each may be in a large database."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from .load import Answer

MOST = 1.5  # times the p95 of the small database
MOST_FOR_NOTHING = 3.0  # a search that finds nothing
PERSON, MACHINE, AUDITOR = "person", "deployer", "auditor"


def cards(answer: Answer) -> int:
    """Return how many patches a page of the queue shows."""
    return answer.body.count(b'class="card"')


def lines(answer: Answer) -> int:
    """Return how many rows the tables of a page have."""
    return answer.body.count(b"<tr")


def items(answer: Answer) -> int:
    """Return how many items an answer as JSON has."""
    return len(json.loads(answer.body))


def one(answer: Answer) -> int:
    """Return 1: such an answer is about one thing."""
    return 1


@dataclass(frozen=True)
class Kind:
    """One kind of request. In `path` stand names of `FACTS`; `rows` counts what an answer shows."""

    name: str
    path: str
    rows: Callable[[Answer], int] = one
    who: str = PERSON
    most: float = MOST


FACTS = """
select (select decision_id::text from approvals_decision where status = 'pending' order by id desc offset 20 limit 1),
    (select decision_id::text from approvals_decision where status = 'rejected' order by id desc offset 5 limit 1),
    (select package_name from approvals_patch order by id desc offset 20 limit 1),
    (select cve_ids[1] from approvals_patch order by id desc offset 20 limit 1),
    (select split_part(apv_id, '-', 2) from approvals_patch order by id desc offset 20 limit 1),
    (select max(position) / 2 from approvals_feedentry)
"""
NAMES = ("pending", "decided", "package", "cve", "word", "position")
PENDING = "/hitl/patches/pending?limit=50"

KINDS = (
    Kind("patch page, pending", "/patches/{pending}"),
    Kind("patch page, decided", "/patches/{decided}"),
    Kind("summary", "/hitl/analytics/summary", who=AUDITOR),
    Kind("analytics page", "/analytics"),
    Kind("history", "/history", lines),
    Kind("history, a frequent word", "/history?q=decoder", lines),
    Kind("history, a rare word", "/history?q={word}", lines),
    Kind("history, rejected", "/history?status=rejected", lines),
    Kind("history, a word that nothing has", "/history?q=nowhereatall", lines, most=MOST_FOR_NOTHING),
    Kind("audit", "/audit/", lines),
    Kind("audit, an actor", "/audit/?actor=reviewer-1", lines),
    Kind("audit, an actor without entries", "/audit/?actor=nobody-of-this-name", lines, most=MOST_FOR_NOTHING),
    Kind("audit, a word that nothing has", "/audit/?q=nowhereatall", lines, most=MOST_FOR_NOTHING),
    Kind("audit, a label", "/audit/?q={cve}", lines),
    Kind("audit, an action", "/audit/?action=decision.rejected", lines),
    Kind("audit of an object, JSON", "/hitl/analytics/audit-logs?decision_id={decided}", items, AUDITOR),
    Kind("audit, 100 entries, JSON", "/hitl/analytics/audit-logs?limit=100", items, AUDITOR),
    Kind("feed, 100 items", "/hitl/decisions?after={position}&limit=100", items, MACHINE),
    Kind("pending, 50 items", PENDING, items, MACHINE),
    Kind("decision by id", "/hitl/decisions/{decided}", who=MACHINE),
    Kind("queue", "/", cards),
    Kind("queue, weakness and ecosystem", "/?cwe=CWE-79&ecosystem=PyPI", cards),
    *(Kind(f"queue, {name}", f"/?priority={name}", cards) for name in ("critical", "high", "medium", "low")),
    *(Kind(f"queue by {name}", f"/?sort={name}", cards) for name in ("age", "sla", "confidence")),
    Kind("queue, weakness", "/?cwe=CWE-94", cards),
    Kind("queue, package", "/?package={package}", cards),
    Kind("queue, ecosystem by confidence", "/?ecosystem=PyPI&sort=confidence", cards),
    Kind("queue, confidence", "/?confidence_min=0.9&confidence_max=1", cards),
    Kind("queue, wargaming disagrees", "/?wargaming=disagrees", cards),
    Kind("queue, late", "/?sla=breached", cards),
    Kind("queue, producer", "/?producer=fixer", cards),
    Kind("queue, mine", "/?ecosystem=npm&wargaming=passed&mine=on", cards),
    Kind("queue, a frequent word", "/?q=decoder", cards),
    Kind("queue, a rare word", "/?q={word}", cards),
    Kind("queue, three words", "/?q=parser+passed+CWE-79", cards),
)
