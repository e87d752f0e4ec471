"""What the admin shows and nobody edits: patches, what people and deployers said, known exploited CVEs, heartbeats."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.shortcuts import resolve_url

from approvals.models import (
    Acknowledgement,
    Bypass,
    Comment,
    Decision,
    Delegation,
    DeploymentRequest,
    DiffFetch,
    Heartbeat,
    KnownExploited,
    OutcomeReport,
    Patch,
    Review,
    User,
)
from approvals.policy.visible_fields import field_of
from approvals.queries import search

from .kinds import Record

SHOWN = tuple(field.name for field in Patch._meta.fields if field.name not in {"search", "search_text"})
UNLISTED = (
    "description", "cve_description", "references", "affected_systems", "vulnerable_locations", "ml_shap",
    "wargaming_phases", "wargaming_error", "wargaming_log", "parse_warnings", "search_text", "search",
)  # fmt: skip
REVIEWED = (
    "reviewer",
    "verdict",
    "category",
    "text",
    "patch_sha256",
    "displayed",
    "channel",
    "created_at",
    "withdrawn_at",
)
WORDS = "A decision's id, a patch's digest, or words: patch id, CVE, package, title, producer."


def decisions_found(text: str) -> QuerySet[Decision]:
    """Return the decisions that words name: by our id, or through their patch."""
    try:
        return Decision.objects.filter(decision_id=UUID(text))
    except ValueError:
        return Decision.objects.filter(patch__in=search.matching(Patch.objects.all(), text, "search"))


def people_found(text: str) -> QuerySet[User]:
    return User.objects.filter(Q(username__iexact=text) | Q(email__iexact=text))


@admin.register(Patch)
class PatchAdmin(Record):
    """What the producer sent and what was derived; the diff itself is on the patch's page."""

    list_display = (
        "patch_id", "revision", "producer", "package_name", "cves", "effective_severity", "known_exploited",
        "ml_confidence", "wargaming", "created_at",
    )  # fmt: skip
    list_filter = ("effective_severity", "known_exploited", "wargaming", "producer", "synthetic", "created_at")
    list_select_related = ("producer",)
    sight = {name: field_of(name) for name in SHOWN if field_of(name)}
    unlisted = UNLISTED
    search_fields = ("patch_id", "sha256", "search")
    search_help_text = "A digest, or words: patch id, CVE, package, title, producer."
    fields = readonly_fields = SHOWN
    ordering = ("-id",)

    def found(self, rows: QuerySet[Patch], text: str) -> QuerySet[Patch]:
        return search.matching(rows, text, "search")

    def view_on_site(self, obj: Any) -> str:
        return resolve_url("patch-detail", obj.decision.decision_id)

    @admin.display(description="CVE")
    def cves(self, patch: Patch) -> str:
        return ", ".join(patch.cve_ids)


@admin.register(Review)
class ReviewAdmin(Record):
    sight = {name: f"reviews.{name}" for name in REVIEWED}
    list_display = ("decision", "reviewer", "verdict", "displayed", "channel", "authn", "created_at", "withdrawn_at")
    list_filter = ("verdict", "channel", "displayed", "created_at")
    list_select_related = ("decision", "reviewer")
    unlisted = ("decision__trace",)
    search_fields = ("reviewer", "decision")
    search_help_text = f"A reviewer's user name or e-mail address. {WORDS}"
    fields = readonly_fields = (
        "decision", "reviewer", "verdict", "category", "text", "patch_sha256", "displayed", "channel", "authn",
        "seconds_open", "created_at", "withdrawn_at",
    )  # fmt: skip
    ordering = ("-id",)

    def found(self, rows: QuerySet[Review], text: str) -> QuerySet[Review]:
        people = people_found(text)
        return rows.filter(reviewer__in=people) if people else rows.filter(decision__in=decisions_found(text))


@admin.register(Comment)
class CommentAdmin(Record):
    sight = {name: f"comments.{name}" for name in ("author", "text", "file", "line", "side", "created_at")} | {
        "author_label": "comments.author"
    }
    list_display = ("decision", "author_label", "file", "line", "side", "created_at")
    list_filter = ("created_at",)
    list_select_related = ("decision",)
    unlisted = ("decision__trace",)
    search_fields = ("author", "decision")
    search_help_text = f"An author's user name or e-mail address. {WORDS}"
    fields = readonly_fields = ("decision", "author", "author_label", "text", "file", "line", "side", "created_at")
    ordering = ("-id",)

    def found(self, rows: QuerySet[Comment], text: str) -> QuerySet[Comment]:
        people = people_found(text)
        return rows.filter(author__in=people) if people else rows.filter(decision__in=decisions_found(text))


@admin.register(Delegation)
class DelegationAdmin(Record):
    """Who stands in for whom; started and ended by the person themself, on their page."""

    list_display = ("person", "delegate", "starts_at", "ends_at", "ended_at", "created_at")
    list_filter = ("starts_at", "ends_at", ("ended_at", admin.EmptyFieldListFilter))
    list_select_related = ("person", "delegate")
    search_fields = ("person", "delegate")
    search_help_text = "The user name or e-mail address of either."
    fields = readonly_fields = ("person", "delegate", "starts_at", "ends_at", "ended_at", "reason", "created_at")
    ordering = ("-id",)

    def found(self, rows: QuerySet[Delegation], text: str) -> QuerySet[Delegation]:
        people = people_found(text)
        return rows.filter(Q(person__in=people) | Q(delegate__in=people))


@admin.register(Acknowledgement)
class AcknowledgementAdmin(Record):
    """Which deployer acted on which item of the feed, and by which token it said so."""

    sight = dict.fromkeys(("deployer", "token", "acknowledged_at"), "acknowledgements")
    list_display = ("feed_entry", "decision", "deployer", "token", "acknowledged_at")
    list_filter = ("feed_entry__status", "acknowledged_at")
    list_select_related = ("feed_entry__decision", "token")
    unlisted = ("feed_entry__decision__trace",)
    search_fields = ("deployer", "decision")
    search_help_text = f"A deployer's name. {WORDS}"
    fields = readonly_fields = ("feed_entry", "decision", "deployer", "token", "acknowledged_at")
    ordering = ("-id",)

    def found(self, rows: QuerySet[Acknowledgement], text: str) -> QuerySet[Acknowledgement]:
        named = rows.filter(deployer=text)
        return named if named.exists() else rows.filter(feed_entry__decision__in=decisions_found(text))

    @admin.display(description="Decision")
    def decision(self, said: Acknowledgement) -> str:
        return str(said.feed_entry.decision)


@admin.register(OutcomeReport)
class OutcomeReportAdmin(Record):
    """What deployers say became of patches, and which of it raised an alarm."""

    sight = {
        "deployer": "outcomes.deployer",
        "token": "outcomes.deployer",
        "result": "outcomes.result",
        "alarm": "outcomes.alarm",
        "deployed_sha256": "outcomes.deployed_sha256",
        "deployed_at": "outcomes.deployed_at",
        "reported_at": "outcomes.reported_at",
        "note": "outcomes.note",
    }
    list_display = ("decision", "deployer", "result", "alarm", "deployed_at", "reported_at")
    list_filter = ("result", "alarm", "reported_at")
    list_select_related = ("decision",)
    unlisted = ("decision__trace",)
    search_fields = ("deployer", "decision")
    search_help_text = f"A deployer's name. {WORDS}"
    fields = readonly_fields = ("decision", *sight)
    ordering = ("-id",)

    def found(self, rows: QuerySet[OutcomeReport], text: str) -> QuerySet[OutcomeReport]:
        named = rows.filter(deployer=text)
        return named if named.exists() else rows.filter(decision__in=decisions_found(text))


@admin.register(DiffFetch)
class DiffFetchAdmin(Record):
    """Which deployer fetched the diff of an approved patch first, and when."""

    sight = dict.fromkeys(("deployer", "fetched_at"), "acknowledgements")
    list_display = ("decision", "deployer", "fetched_at")
    list_filter = ("fetched_at",)
    list_select_related = ("decision",)
    unlisted = ("decision__trace",)
    search_fields = ("deployer", "decision")
    search_help_text = f"A deployer's name. {WORDS}"
    fields = readonly_fields = ("decision", "deployer", "fetched_at")
    ordering = ("-id",)

    def found(self, rows: QuerySet[DiffFetch], text: str) -> QuerySet[DiffFetch]:
        named = rows.filter(deployer=text)
        return named if named.exists() else rows.filter(decision__in=decisions_found(text))


@admin.register(DeploymentRequest)
class DeploymentRequestAdmin(Record):
    """What GitHub asked to deploy, whether it was told the decision, and why not."""

    sight = {
        "repository": "workflow_id",
        "environment": "job_id",
        **dict.fromkeys(("delivery", "callback_url", "received_at", "state", "tries", "try_at"), "workflow_id"),
        **dict.fromkeys(("answer", "answered_at", "fault"), "workflow_id"),
    }
    list_display = ("decision", "repository", "environment", "state", "answer", "tries", "fault", "received_at")
    list_filter = ("state", "answer", "received_at")
    list_select_related = ("decision",)
    unlisted = ("decision__trace",)
    search_fields = ("repository", "decision")
    search_help_text = f"A repository as owner/name. {WORDS}"
    fields = readonly_fields = ("decision", *sight)
    ordering = ("-id",)

    def found(self, rows: QuerySet[DeploymentRequest], text: str) -> QuerySet[DeploymentRequest]:
        named = rows.filter(repository=text)
        return named if named.exists() else rows.filter(decision__in=decisions_found(text))


@admin.register(Bypass)
class BypassAdmin(Record):
    """Asked for, granted and ended on the page of emergency bypasses."""

    list_display = ("id", "holder", "decision", "ecosystem", "package_name", "state", "decided_by", "ends_at")
    list_filter = ("state", "asked_at")
    list_select_related = ("holder", "decision", "decided_by")
    unlisted = ("decision__trace",)
    search_fields = ("holder", "package_name")
    search_help_text = "A holder's user name or e-mail address, or a package's name."
    fields = readonly_fields = tuple(field.name for field in Bypass._meta.fields)
    ordering = ("-id",)

    def found(self, rows: QuerySet[Bypass], text: str) -> QuerySet[Bypass]:
        people = people_found(text)
        return rows.filter(holder__in=people) if people else rows.filter(package_name=text)


@admin.register(KnownExploited)
class KnownExploitedAdmin(Record):
    list_display = ("cve_id", "name", "added_on", "due_on", "ransomware", "imported_at")
    list_filter = ("ransomware", "added_on")
    search_fields = ("cve_id", "name")
    fields = readonly_fields = ("cve_id", "name", "added_on", "due_on", "ransomware", "imported_at")
    ordering = ("-cve_id",)

    def found(self, rows: QuerySet[KnownExploited], text: str) -> QuerySet[KnownExploited]:
        return rows.filter(Q(cve_id=text.upper()) | Q(name__icontains=text))  # a catalogue of some thousand rows


@admin.register(Heartbeat)
class HeartbeatAdmin(Record):
    list_display = fields = readonly_fields = ("name", "seen_at")
    ordering = ("name",)
