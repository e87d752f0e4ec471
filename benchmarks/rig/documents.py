"""Intake documents made of the real patches in HITL_SAMPLE_DATA, with ids that were never used before."""

import json
import sys
from itertools import count
from typing import Any

from django.conf import settings

from approvals.api.schemas import IntakeDocument
from approvals.management.commands.import_patches import document_of

FILES = ("bot_cve_backports", "upstream_cve_fixes", "odd_cve_patches")
CANDIDATES = 4  # documents that share a CVE, as competing candidates do

_numbers = count(1)


def real_documents(every: int = 1) -> list[dict[str, Any]]:
    """Return every n-th real patch as the JSON a producer sends."""
    rows = []
    for name in FILES:
        path = settings.HITL_SAMPLE_DATA / f"{name}.ndjson"
        if not path.exists():
            sys.exit(f"There are no real patches at {settings.HITL_SAMPLE_DATA}; name them in HITL_SAMPLE_DATA.")
        rows += [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [sent(document_of(row)) for row in rows[::every]]


def sent(document: IntakeDocument) -> dict[str, Any]:
    return document.model_dump(mode="json", exclude_unset=True)


def fresh(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document under a new patch_id; every fourth one starts a new CVE."""
    number = next(_numbers)
    return named(document, f"bench.{number}", f"CVE-2099-{number // CANDIDATES}")


def named(document: dict[str, Any], patch_id: str, cve: str) -> dict[str, Any]:
    metadata = {**document["patch_metadata"], "cve_ids": [cve]}
    return {**document, "patch_id": patch_id, "patch_metadata": metadata}
