"""What callers send: the intake document and the bodies of actions, with every limit of the contract."""

import base64
import binascii
import re
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from approvals.models import MAX_COMMENT, MAX_REASON
from approvals.policy.sent_values import known_severity, readable, readable_alias, readable_or_blank, web_link
from approvals.policy.submitters import one_person
from approvals.strict_json import MAX_ERRORS, Path, walk

MAX_DIFF = 5 * 1024 * 1024
MAX_TEXT_DIFF = 1024 * 1024
MAX_LOG = 1024 * 1024
MAX_REFERENCES = 100
MAX_FEATURES = 200
MAX_NAME = 100  # of a field, as a message names it
ID = re.compile(r"[A-Za-z0-9_:@+-][A-Za-z0-9._:@+-]{0,199}")
RESERVED = {"pending", "bulk", "by-digest"}


def whole(value: Any) -> Any:
    """Return 90.0 as 90, because languages with one type of number send integers so. A fraction stays an error."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text255 = Annotated[str, StringConstraints(max_length=255)]
Who = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(one_person),
    Field(description="one e-mail address or user name; that person cannot approve"),
]
Named = Annotated[str, StringConstraints(max_length=255, min_length=1, strip_whitespace=True)]
# Strict: "no", 0 or true where evidence is expected is a producer's mistake, and guessing would make it evidence.
Flag = Annotated[bool, Field(strict=True)]
Milliseconds = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True), BeforeValidator(whole)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
PriorityWord = Literal["low", "medium", "high", "critical"]


def public_id(value: str) -> str:
    if not ID.fullmatch(value) or value in RESERVED:
        raise ValueError(
            "must be 1 to 200 of A-Z a-z 0-9 . _ : @ + -, not start with a dot, and not be pending, bulk or by-digest"
        )
    return value


Link = Annotated[str, StringConstraints(max_length=2000), AfterValidator(web_link)]
Reference = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True)]
Identifier = Annotated[str, AfterValidator(public_id)]


def refuse_unstorable(document: Any) -> None:
    """Raise ValueError for NUL or a lone surrogate anywhere: PostgreSQL text can hold neither."""
    for path, value in walk(document):
        if isinstance(value, str) and (why := _unstorable(value)):
            raise ValueError(f"{_named(path)} {why}")
        if path and isinstance(path[-1], str) and (why := _unstorable(path[-1])):
            raise ValueError(f"{_named(path[:-1])} {why}")


def _unstorable(text: str) -> str | None:
    if "\x00" in text:
        return "contains a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "contains a lone surrogate"
    return None


def _named(path: Path) -> str:
    """Return the names of a path; a long one is cut where messages are."""
    return ".".join(name[:MAX_NAME] for name in path if isinstance(name, str)) or "text"


def short(limit: int) -> Any:
    """Let the length of an object be looked at before its items: pydantic would judge each of them first (of a list,
    no more than the limit)."""

    def look(value: Any) -> Any:
        if isinstance(value, dict) and len(value) > limit:
            raise ValueError(f"may have {limit} items, not {len(value):,}")
        return value

    return BeforeValidator(look)


class Strict(BaseModel):
    """A body in which every unknown field is an error."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def few_enough(cls, body: Any) -> Any:
        """Refuse a body with many more fields than are known by one error, not by one for each."""
        if isinstance(body, dict) and len(body) > len(cls.model_fields) + MAX_ERRORS:
            raise ValueError(f"has {len(body):,} fields, of which at most {len(cls.model_fields)} are known")
        return body


class Location(Strict):
    file: Annotated[str, StringConstraints(max_length=1000, min_length=1)]
    start: Count | None = None
    end: Count | None = None


class PatchMetadata(Strict):
    apv_id: Named
    title: Annotated[str, StringConstraints(max_length=500)] | None = None
    description: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    cve_id: Annotated[Text255, AfterValidator(readable_or_blank)] | None = None
    cve_ids: list[Annotated[Named, AfterValidator(readable)]] = Field(default=[], max_length=100)
    aliases: list[Annotated[Named, AfterValidator(readable_alias)]] = Field(default=[], max_length=100)
    cve_description: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    affected_range: Text255 | None = None
    cwe_ids: list[Named] = Field(default=[], max_length=100)
    severity: Annotated[Text255, AfterValidator(known_severity)] = Field(
        description="low, medium, high, critical or unknown; words of the field (moderate, important, negligible, none,"
        " urgent and others) are mapped to these, in any case, and `parse_warnings` says how"
    )
    cvss_score: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False, strict=True)] | None = None
    cvss_vector: Text255 | None = None
    epss: Probability | None = None
    epss_date: date | None = None
    kev: Flag = False
    references: Annotated[list[Reference], FailFast()] = Field(  # the one list that may be longer than is kept
        default=[], description=f"addresses; the first {MAX_REFERENCES} are kept, and only http and https become links"
    )
    package_name: Text255 | None = None
    ecosystem: Text255 | None = None
    purl: Text255 | None = None
    current_version: Text255 | None = None
    target_version: Text255 | None = None
    language: Text255 | None = None
    affected_systems: list[Named] = Field(default=[], max_length=100)
    patch_size_lines: Count | None = None
    repository: Text255 | None = None
    base_commit: Text255 | None = None
    strategy: Literal["version_bump", "code_rewrite", "config_change"] | None = None
    risk_level: Literal["low", "medium", "high", "critical"] | None = None
    vulnerable_locations: list[Location] = Field(default=[], max_length=100)

    @model_validator(mode="after")
    def something_to_patch(self) -> "PatchMetadata":
        if not ((self.package_name or "").strip() or (self.repository or "").strip()):
            raise ValueError("package_name or repository is required")
        return self

    def all_cve_ids(self) -> list[str]:
        """Return every identifier once, as it was sent, the one named alone first."""
        named = [self.cve_id] if self.cve_id else []
        return list(dict.fromkeys(cve.strip() for cve in [*named, *self.cve_ids] if cve.strip()))


class Contribution(Strict):
    value: Finite | Text255 | None = None
    contribution: Finite


class MlPrediction(Strict):
    model_version: Text255 = "rf_v1"
    confidence: Probability
    prediction: Flag
    shap_values: Annotated[dict[Text255, Finite | Contribution] | None, short(MAX_FEATURES)] = Field(
        default=None, max_length=MAX_FEATURES
    )
    base_value: Finite | None = None
    execution_time_ms: Milliseconds | None = None


class Phase(Strict):
    name: Text255
    success: Flag | None = None
    duration_ms: Milliseconds | None = None
    exit_code: Annotated[int, Field(ge=-(2**31), le=2**31 - 1, strict=True)] | None = None
    image: Text255 | None = None
    detail: Annotated[str, StringConstraints(max_length=2000)] | None = None


class WargamingResult(Strict):
    phase1_success: Flag | None
    phase2_success: Flag | None
    validation_passed: Flag | None
    verdict: Literal["passed", "failed", "inconclusive", "error"] | None = None  # a null object says 'not run'
    execution_time_ms: Milliseconds | None = None
    error_message: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    exploit_id: Text255 | None = None
    phases: list[Phase] = Field(default=[], max_length=100)
    log: str | None = None
    run_url: Link | None = None

    @field_validator("log")
    @classmethod
    def log_size(cls, value: str | None) -> str | None:
        if value is not None and len(value.encode()) > MAX_LOG:
            raise ValueError("may have 1 MiB")
        return value

    def derived(self) -> str:
        """Return the verdict that the phases support; a failure counts before anything missing."""
        if self.error_message:
            return "error"
        if self.phase1_success is False:
            return "inconclusive"
        if self.phase2_success is False or self.validation_passed is False:
            return "failed"
        return "passed" if self.phase1_success and self.phase2_success and self.validation_passed else "inconclusive"

    @model_validator(mode="after")
    def not_better_than_shown(self) -> "WargamingResult":
        rank = {"passed": 2, "inconclusive": 1, "error": 1, "failed": 0}
        if self.verdict and rank[self.verdict] > rank[self.derived()]:
            raise ValueError(f"verdict {self.verdict!r} is better than its phases show ({self.derived()!r})")
        return self


class IntakeDocument(Strict):
    """One patch as producers push it; the reference API's whole record is accepted too."""

    patch_id: Identifier
    patch_metadata: PatchMetadata
    diff: str | None = None
    diff_base64: str | None = None
    ml_prediction: MlPrediction | None = None
    wargaming_result: WargamingResult | None = None
    priority: PriorityWord | None = None
    requires_manual_review: Flag = False
    manual_review_reason: Text255 | None = None
    submitted_by: Who | None = None
    triggered_by: Who | None = None
    model_owner: Who | None = None
    simulation_author: Who | None = None
    decision_id: str | None = None
    # The server's fields in the reference API. The first three could claim a decision and are refused, others ignored.
    decision: Literal["pending"] | None = None
    decided_by: None = None
    decided_at: None = None
    comment: str | None = None
    reason: str | None = None
    created_at: Any = None
    updated_at: Any = None
    auto_approval_eligible: Any = None
    ml_wargaming_agreement: Any = None
    requires_escalation: Any = None

    @model_validator(mode="before")
    @classmethod
    def storable(cls, document: Any) -> Any:
        if isinstance(document, dict):
            refuse_unstorable({key: value for key, value in document.items() if key not in {"diff", "diff_base64"}})
        return document

    @field_validator("decision_id")
    @classmethod
    def alias(cls, value: str | None) -> str | None:
        return public_id(value) if value else None

    @model_validator(mode="after")
    def one_diff(self) -> "IntakeDocument":
        if self.diff is not None and self.diff_base64 is not None:
            raise ValueError("send diff or diff_base64, not both")
        if len(self.diff_bytes) > MAX_TEXT_DIFF and self.diff is not None:
            raise ValueError("diff may have 1 MiB of text; send diff_base64")
        return self

    @cached_property
    def diff_bytes(self) -> bytes:
        """The diff exactly as sent; b'' when there is none. Raise ValueError for what is no base64, has a lone
        surrogate or is above 5 MiB."""
        try:
            if self.diff_base64 is not None:
                raw = base64.b64decode(self.diff_base64, validate=True)
            else:
                raw = (self.diff or "").encode()
        except binascii.Error as error:
            raise ValueError(f"diff_base64 is not base64: {error}") from error
        except UnicodeEncodeError:
            raise ValueError("diff contains a lone surrogate; send diff_base64") from None
        if len(raw) > MAX_DIFF:
            raise ValueError("a diff may have 5 MiB")
        return raw


Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Storable(Strict):
    """A body whose text the database can hold."""

    @model_validator(mode="before")
    @classmethod
    def storable(cls, body: Any) -> Any:
        if isinstance(body, dict):
            refuse_unstorable(body)
        return body


class Act(Storable):
    """What every acting body carries: the decision, the digest that was seen, and the reference API's `user`."""

    decision_id: Name
    patch_sha256: Digest
    user: Text255 | None = None


InNameOf = Annotated[
    Named | None,
    Field(description="the absent person for whom you stand in: user name or e-mail address; left out, your own name"),
]


class Approve(Act):
    in_name_of: InNameOf = None
    comment: Annotated[str, StringConstraints(max_length=MAX_COMMENT)] | None = None


class Reason(Act):
    reason: Annotated[str, StringConstraints(max_length=MAX_REASON, min_length=1, strip_whitespace=True)]


class Extend(Reason):
    seconds: Annotated[int, Field(strict=True, ge=1, le=30 * 86_400)]


CategoryWord = Literal[
    "wrong_root_cause",
    "breaks_behaviour",
    "incomplete",
    "unsafe_side_effect",
    "out_of_scope",
    "cannot_verify",
    "style",
    "other",
]


class RequestChanges(Reason):
    in_name_of: InNameOf = None


class Reject(Reason):
    in_name_of: InNameOf = None
    category: CategoryWord = "other"
    comment: Annotated[str, StringConstraints(max_length=MAX_COMMENT)] | None = None


class CommentBody(Storable):
    decision_id: Name
    patch_sha256: Digest | None = None
    user: Text255 | None = None
    comment: Annotated[str, StringConstraints(max_length=MAX_COMMENT, min_length=1, strip_whitespace=True)]
    file: Annotated[str, StringConstraints(max_length=1000)] | None = None
    line: Count | None = None
    side: Literal["old", "new"] = Field("new", description="which file has the line: `old` for a deleted one")


class Acknowledge(Strict):
    position: Annotated[int, Field(strict=True, ge=1, le=2**62)]


class BulkItem(Strict):
    decision_id: Name
    patch_sha256: Digest


class BulkDecision(Storable):
    items: list[BulkItem] = Field(min_length=1, max_length=200)
    verdict: Literal["approve", "reject", "request_changes"]
    in_name_of: InNameOf = None
    reason: Annotated[str, StringConstraints(max_length=MAX_REASON)] | None = None
    category: CategoryWord | None = None
