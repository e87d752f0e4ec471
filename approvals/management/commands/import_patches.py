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
from approvals.policy.severity import severity_of
from approvals.services.intake import Submission, SubmissionResult, submit_all
from approvals.services.producers import ensure_producer

SET = 50  # rows in one transaction


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
        try:
            self.producer = ensure_producer(options["producer"], actor=actor, now=timezone.now())
        except Refusal as error:
            raise CommandError(error.detail) from error
        self.counts = {"new": 0, "known": 0, "failed": 0}
        for rows in _sets(lines):
            self._take(rows, actor, options["with_clocks"])
            self._progress(rows[-1][0], len(lines))
        self.stderr.write("")
        self.stdout.write("{new} new, {known} already known, {failed} failed.".format(**self.counts))
        if self.counts["failed"]:
            sys.exit(1)

    def _take(self, rows: list[tuple[int, bytes]], actor: Any, clocks: bool) -> None:
        """Take in one set; a patch_id that repeats in it waits for a set of its own."""
        waiting: dict[str, tuple[int, Submission]] = {}
        for number, raw in rows:
            try:
                row = json.loads(raw)
                submission = submission_of(document_of(row))
            except (ValueError, Refusal) as error:
                self._failed(number, _words(error))
                continue
            if (word := row.get("severity")) and not severity_of(word):
                self.stderr.write(f"\rline {number}: no severity is called “{word}”; it counts as unknown")
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
            if isinstance(result, SubmissionResult):
                self.counts["new" if result.created else "known"] += 1
                for note in result.decision.patch.metadata_notes if result.created else ():
                    self.stderr.write(f"\rline {number}: {note}")
            else:
                self._failed(number, result.detail)

    def _failed(self, number: int, why: str) -> None:
        self.counts["failed"] += 1
        self.stderr.write(f"\rline {number}: {why}")

    def _progress(self, done: int, total: int) -> None:
        filled = 30 * done // max(total, 1)
        self.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {done} of {total}", ending="")
        self.stderr.flush()


def document_of(row: Any) -> IntakeDocument:
    """Return the intake document of a row of ours, or of a bare row with `patch`, `diff` or `patch_base64`.

    Raise ValueError (pydantic's among them) with what is wrong with the row.
    """
    if not isinstance(row, dict):
        raise ValueError("a row is an object")
    if "patch_metadata" in row:
        return IntakeDocument.model_validate(row)
    diff = _diff(row)
    repository = _text(row, "repository") or _text(row, "source")
    name = _text(row, "package") or repository.rstrip("/").rsplit("/", 1)[-1]
    if not name:
        raise ValueError("a row names its package or its repository")
    cves = row.get("cve_ids") or ([row["cve_id"]] if row.get("cve_id") else [])
    digest = hashlib.sha256(diff).hexdigest()[:12]
    severity = _text(row, "severity")
    return IntakeDocument.model_validate(
        {
            "patch_id": _patch_id(name, cves[0] if isinstance(cves, list) and cves else "no-cve", digest),
            "patch_metadata": {
                "apv_id": f"import-{digest}",
                "title": _text(row, "title")[:500] or None,
                "description": _text(row, "message")[:20_000] or None,
                "cve_ids": cves,
                "severity": severity if severity_of(severity) else "unknown",
                "kev": bool(row.get("kev")),
                "package_name": row.get("package"),
                "repository": repository or None,
                "base_commit": row.get("commit"),
            },
            "diff_base64": base64.b64encode(diff).decode(),
        }
    )


def _patch_id(name: str, cve: object, digest: str) -> str:
    return re.sub(r"[^A-Za-z0-9._:@+-]", "-", f"{name}.{cve}.{digest}").lstrip(".")


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"`{key}` is text")
    return (value or "").replace("\x00", "")


def _diff(row: dict[str, Any]) -> bytes:
    """Return the row's patch as bytes; one without any says nothing that could be reviewed."""
    key = next((key for key in ("patch_base64", "patch", "diff") if row.get(key) is not None), None)
    if key is None:
        raise ValueError("a row has its patch in `patch`, `diff` or `patch_base64`")
    value = row[key]
    if not isinstance(value, str):
        raise ValueError(f"`{key}` is text")
    return base64.b64decode(value, validate=True) if key == "patch_base64" else value.encode("utf-8", "surrogatepass")


def _sets(lines: list[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    """Yield the lines that are not blank with their numbers, some at a time."""
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    for start in range(0, len(numbered), SET):
        yield numbered[start : start + SET]


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        parts = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in field_errors(error.errors(), strip=0)]
        return "; ".join(parts)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "not JSON in UTF-8"
    return error.detail if isinstance(error, Refusal) else str(error)
