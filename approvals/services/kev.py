"""Import CISA's catalogue of known exploited vulnerabilities (KEV). Its only writer."""

import re
from datetime import date, datetime
from typing import Any

from django.db import transaction

from approvals.errors import Invalid
from approvals.models import KnownExploited
from approvals.policy.vulnerability import names_in
from audit.log import Actor, Subject, record

from .lifecycle import raise_priorities

CVE = re.compile(r"CVE-\d{4}-\d{4,19}")


def import_catalogue(document: dict[str, Any], *, actor: Actor, now: datetime) -> tuple[int, int]:
    """Store CISA's JSON catalogue; return (new CVEs, pending decisions raised). Raise Invalid.

    A CVE that leaves the catalogue stays marked: priorities only ever rise.
    """
    try:
        listed = [_row(item, now) for item in document["vulnerabilities"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Invalid(f"This is not a KEV catalogue: {error!r}.") from error
    rows = {row.cve_id: row for row in listed}  # of a CVE that is listed twice the last row counts
    with transaction.atomic():
        existing = set(KnownExploited.objects.values_list("cve_id", flat=True))
        KnownExploited.objects.bulk_create(
            rows.values(),
            update_conflicts=True,
            unique_fields=["cve_id"],
            update_fields=["name", "added_on", "due_on", "ransomware", "imported_at"],
        )
        new = rows.keys() - existing
        # All of them, not the new ones alone: a patch that was submitted while the last import had not committed was
        # missed then.
        raised = raise_priorities(sorted(rows), actor=actor, now=now) if rows else 0
        record(
            "kev.imported",
            actor=actor,
            at=now,
            subject=Subject("catalogue", "kev", str(document.get("catalogVersion", ""))),
            data={"rows": len(rows), "new": len(new), "raised": raised},
        )
    return len(new), raised


def _row(item: dict[str, Any], now: datetime) -> KnownExploited:
    ids, name = names_in(item["cveID"]), item.get("vulnerabilityName") or ""
    if len(ids) != 1 or not CVE.fullmatch(ids[0]) or "\x00" in name:
        raise ValueError(f"{item['cveID']!r} is no CVE")
    return KnownExploited(
        cve_id=ids[0],
        name=name,
        added_on=date.fromisoformat(item["dateAdded"]),
        due_on=date.fromisoformat(item["dueDate"]) if item.get("dueDate") else None,
        ransomware=item.get("knownRansomwareCampaignUse") == "Known",
        imported_at=now,
    )
