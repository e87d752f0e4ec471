"""Which caller sees which field: one table, asked by the API, the pages, the feed, the event stream, the export and the
gates. A field that is not in it is shown to nobody."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from approvals.permissions import LEAD_DECISION, REVIEW_DECISION, VIEW_DIFF


class Reader(StrEnum):
    """Who reads one decision: a machine by its relation to the patch, a person by what their groups allow."""

    OWN_PRODUCER = "own producer"
    OTHER_PRODUCER = "other producer"
    DEPLOYER = "deployer"
    NARROWED = "machine without diffs:read"
    AUDITOR = "auditor"
    VIEWER = "viewer"
    REVIEWER = "reviewer"
    LEAD = "lead"


EVERYBODY = frozenset(Reader)
PARTIES = EVERYBODY - {Reader.OTHER_PRODUCER}
"""All but other producers, whose colleagues' embargoed work is not theirs to see."""
INSIDERS = PARTIES - {Reader.DEPLOYER, Reader.NARROWED}
"""All who judge a patch or sent it; a deployer needs what it deploys and who decided it."""
WORD_READERS = PARTIES - {Reader.NARROWED, Reader.VIEWER}
"""The owning producer, `diffs:read` and people whose groups may read diffs."""
JUDGES = INSIDERS & WORD_READERS

PUBLIC = """
decision_id id alias patch_id kind revision newest_revision producer requested_by patch_sha256 digest canonical_sha256
url status decision decided_by_kind decided_at channel category priority requested_priority requires_manual_review
created_at requested_at updated_at at position event age_seconds requires_escalation escalation_level
auto_approval_eligible ml_wargaming_agreement agreement sla_due_at sla_state expire_at expires_at on_expiry approvals
required_approvals required_groups bypass policy apv_id cve_id cve severity effective_severity effective_cvss
known_exploited package_name package current_version target_version synthetic ml_confidence wargaming_passed
wargaming_verdict wargaming_result wargaming_result.verdict ml_prediction ml_prediction.confidence
ml_prediction.prediction patch_metadata revisions revocation revocation.revoked_at seconds
patch_metadata.apv_id patch_metadata.cve_id patch_metadata.cve_ids patch_metadata.aliases patch_metadata.cwe_ids
patch_metadata.severity patch_metadata.cvss_score patch_metadata.cvss_vector patch_metadata.epss
patch_metadata.epss_date patch_metadata.kev patch_metadata.package_name patch_metadata.ecosystem patch_metadata.purl
patch_metadata.current_version patch_metadata.target_version patch_metadata.language
""".split()  # noqa: SIM905  a list of one name a line would fill two pages
"""What the change is and where it stands: identity, digests, state, clocks, and the public names and scores of the
vulnerability and the package."""

PARTIAL = """
title decided_by cause trace workflow_id job_id execution_id approvers files additions deletions parse_warnings
no_canonical ambiguous marks acknowledgements outcomes outcomes.deployer outcomes.result outcomes.deployed_sha256
outcomes.alarm outcomes.deployed_at outcomes.reported_at revocation.revoked_by reviews reviews.reviewer
reviews.in_name_of reviews.verdict reviews.category reviews.patch_sha256 reviews.displayed reviews.channel
reviews.created_at reviews.withdrawn_at patch_metadata.title patch_metadata.description patch_metadata.cve_description
patch_metadata.affected_range patch_metadata.references patch_metadata.affected_systems
patch_metadata.patch_size_lines patch_metadata.repository patch_metadata.base_commit patch_metadata.strategy
patch_metadata.risk_level patch_metadata.vulnerable_locations ml_prediction.model_version
ml_prediction.execution_time_ms wargaming_result.phase1_success wargaming_result.phase2_success
wargaming_result.validation_passed wargaming_result.execution_time_ms
""".split()  # noqa: SIM905
"""What is written of the change, what came of it and who decided."""

INTERNAL = """
people comments comments.author comments.created_at comments.file comments.line comments.side
ml_prediction.shap_values ml_prediction.base_value wargaming_result.error_message wargaming_result.exploit_id
wargaming_result.phases wargaming_result.run_url same_lines
""".split()  # noqa: SIM905
"""What a judgement rests on: the people on the patch, the discussion, what moved the score, the run's steps."""

WORDS = ("reason", "comment", "reviews.text", "revocation.reason", "outcomes.note", "diff", "request")
"""Free text of people, and the bytes that a digest covers."""

JUDGED_WORDS = ("comments.text", "objections", "wargaming_result.log", "manual_review_reason")

VISIBLE: dict[str, frozenset[Reader]] = {
    **dict.fromkeys(PUBLIC, EVERYBODY),
    **dict.fromkeys(PARTIAL, PARTIES),
    **dict.fromkeys(INTERNAL, INSIDERS),
    **dict.fromkeys(WORDS, WORD_READERS),
    **dict.fromkeys(JUDGED_WORDS, JUDGES),
    "refusals": JUDGES - {Reader.OWN_PRODUCER},  # tries that were refused, and whose: shown on the page's timeline
}
"""Every field of every answer and page, by its name in a record (the parts of an object after a dot), with who sees it.
"""

OPENED = {"patch_metadata", "ml_prediction", "wargaming_result", "reviews", "comments", "revocation", "outcomes"}
"""Fields whose parts have rows of their own in the table; any other is shown or hidden whole."""

IN_WORDS = {
    "diff": "diffs",
    "request": "what a workflow asks",
    "reason": "reasons",
    "comment": "reasons",
    "reviews.text": "reasons",
    "revocation.reason": "reasons",
    "outcomes.note": "reasons",
    "comments.text": "the discussion",
    "wargaming_result.log": "logs",
    "manual_review_reason": "reasons",
    "refusals": "who was refused",
}
"""What a page says instead of a field that its reader may not see."""

SENT_COLUMNS = {
    "ml_prediction": "ml_prediction.prediction",
    "ml_confidence": "ml_prediction.confidence",
    "ml_model_version": "ml_prediction.model_version",
    "ml_base_value": "ml_prediction.base_value",
    "ml_execution_ms": "ml_prediction.execution_time_ms",
    "ml_shap": "ml_prediction.shap_values",
    "wargaming": "wargaming_result.verdict",
    "wargaming_phase1": "wargaming_result.phase1_success",
    "wargaming_phase2": "wargaming_result.phase2_success",
    "wargaming_validation_passed": "wargaming_result.validation_passed",
    "wargaming_exploit_id": "wargaming_result.exploit_id",
    "wargaming_execution_ms": "wargaming_result.execution_time_ms",
    "wargaming_error": "wargaming_result.error_message",
    "wargaming_run_url": "wargaming_result.run_url",
    "wargaming_phases": "wargaming_result.phases",
    "wargaming_log": "wargaming_result.log",
    **dict.fromkeys(("submitted_by", "triggered_by", "model_owner", "simulation_author"), "people"),
}
"""Columns of a patch whose field has another name."""

SOUGHT = {"lines": ("same_lines",), "careful": ("marks",)}
"""Filters of the queue that compare what not everybody sees: who filters by them learns of it."""

WORDS_SOUGHT = {"title": "title", "repository": "patch_metadata.repository", "submitted_by": "people"}
"""Columns of a patch whose words full-text search finds and not everybody sees."""


def sees(reader: Reader, field: str) -> bool:
    """Return whether this reader sees a field; nobody sees one that the table does not have."""
    return reader in VISIBLE.get(field, ())


def seen_column(reader: Reader, column: str) -> bool:
    """Return whether this reader sees what a column of a patch holds."""
    return sees(reader, field_of(column))


def field_of(column: str) -> str:
    """Return what the table calls a column of a patch, '' for what it does not have."""
    names = (SENT_COLUMNS.get(column, f"patch_metadata.{column}"), column)
    return next((name for name in names if name in VISIBLE), "")


def shown(fields: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """Return fields with null for what this reader may not see."""
    return {name: value if sees(reader, name) else None for name, value in fields.items()}


def seeks_hidden(reader: Reader, names: Collection[str]) -> bool:
    """Return whether filters of these names compare what this reader may not see."""
    return any(not sees(reader, field) for name in names for field in SOUGHT.get(name, ()))


def unsought(reader: Reader) -> frozenset[str]:
    """Return the columns of a patch whose words find nothing for this reader."""
    return frozenset(column for column, field in WORDS_SOUGHT.items() if not sees(reader, field))


def why_hidden(field: str) -> str:
    """Return the sentence that a page says instead of a field."""
    return f"Your groups do not include reading {IN_WORDS.get(field, 'this')}."


def reader_among(permissions: Collection[str]) -> Reader:
    """Return which reader a person with these permissions is."""
    if VIEW_DIFF not in permissions:
        return Reader.VIEWER
    if LEAD_DECISION in permissions:
        return Reader.LEAD
    return Reader.REVIEWER if REVIEW_DECISION in permissions else Reader.AUDITOR
