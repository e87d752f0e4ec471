"""manage.py import_patches: take in real patches from NDJSON, in our schema or as bare rows with a diff."""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from pydantic import ValidationError

from approvals.actors import command
from approvals.api.intake import submission_of
from approvals.api.problems import field_errors
from approvals.api.schemas import IntakeDocument
from approvals.errors import Refusal
from approvals.services.access import ensure_producer
from approvals.services.intake import Submission, Taken, submit_all

SET = 50  # rows in one transaction
SEVERITIES = {"low", "medium", "high", "critical"}


class Command(BaseCommand):
    help = "Import patches from an NDJSON file; replays are recognised, every row that fails is named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--producer", required=True, help="The producer they belong to; made if it is new")
        parser.add_argument("--with-clocks", action="store_true", help="Give them SLA, escalation and expiry")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = options["file"].read_bytes().splitlines()
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        actor = command("import_patches")
        self.producer = ensure_producer(options["producer"], actor=actor, now=timezone.now())
        self.counts = {"new": 0, "known": 0, "failed": 0}
        for start, rows in _sets(lines):
            self._take(start, rows, actor, options["with_clocks"])
            self._progress(start + len(rows), len(lines))
        self.stderr.write("")
        self.stdout.write("{new} new, {known} already known, {failed} failed.".format(**self.counts))
        if self.counts["failed"]:
            sys.exit(1)

    def _take(self, start: int, rows: list[bytes], actor: Any, clocks: bool) -> None:
        """Take in one set; a patch_id that repeats in it waits for a set of its own."""
        waiting: dict[str, tuple[int, Submission]] = {}
        for number, raw in enumerate(rows, start=start + 1):
            try:
                submission = submission_of(document_of(json.loads(raw)))
            except (ValueError, KeyError, TypeError) as error:
                self._failed(number, _words(error))
                continue
            if submission.patch_id in waiting:
                self._settle(waiting, actor, clocks)
                waiting = {}
            waiting[submission.patch_id] = (number, submission)
        self._settle(waiting, actor, clocks)

    def _settle(self, waiting: dict[str, tuple[int, Submission]], actor: Any, clocks: bool) -> None:
        if not waiting:
            return
        numbers, submissions = zip(*waiting.values(), strict=True)
        results = submit_all(submissions, producer=self.producer, actor=actor, now=timezone.now(), clocks=clocks)
        for number, result in zip(numbers, results, strict=True):
            if isinstance(result, Taken):
                self.counts["new" if result.created else "known"] += 1
            else:
                self._failed(number, result.detail)

    def _failed(self, number: int, why: str) -> None:
        self.counts["failed"] += 1
        self.stderr.write(f"\rline {number}: {why}")

    def _progress(self, done: int, total: int) -> None:
        filled = 30 * done // max(total, 1)
        self.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {done} of {total}", ending="")
        self.stderr.flush()


def document_of(row: dict[str, Any]) -> IntakeDocument:
    """Return the intake document of a row of ours, or of a bare row with `patch`, `diff` or `patch_base64`."""
    if "patch_metadata" in row:
        return IntakeDocument.model_validate(row)
    diff = _diff(row)
    name = row.get("package") or row["repository"].rstrip("/").rsplit("/", 1)[-1]
    cves = row.get("cve_ids") or ([row["cve_id"]] if row.get("cve_id") else [])
    digest = hashlib.sha256(diff).hexdigest()[:12]
    severity = (row.get("severity") or "").lower()
    return IntakeDocument.model_validate(
        {
            "patch_id": re.sub(r"[^A-Za-z0-9._:@+-]", "-", f"{name}.{cves[0] if cves else 'no-cve'}.{digest}").lstrip(
                "."
            ),
            "patch_metadata": {
                "apv_id": f"import-{digest}",
                "title": (row.get("title") or "").replace("\x00", "")[:500] or None,
                "description": (row.get("message") or "").replace("\x00", "")[:20_000] or None,
                "cve_ids": cves,
                "severity": severity if severity in SEVERITIES else "unknown",
                "kev": bool(row.get("kev")),
                "package_name": row.get("package"),
                "repository": row.get("repository") or row.get("source"),
                "base_commit": row.get("commit"),
            },
            "diff_base64": base64.b64encode(diff).decode(),
        }
    )


def _diff(row: dict[str, Any]) -> bytes:
    if "patch_base64" in row:
        return base64.b64decode(row["patch_base64"], validate=True)
    return str(row["patch"] if "patch" in row else row["diff"]).encode("utf-8", "surrogatepass")


def _sets(lines: list[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    for start in range(0, len(lines), SET):
        yield start, [line for line in lines[start : start + SET] if line.strip()]


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        parts = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in field_errors(error.errors(), strip=0)]
        return "; ".join(parts)
    if isinstance(error, Refusal):
        return error.detail
    return f"{type(error).__name__}: {error}"
