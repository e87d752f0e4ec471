"""Patches as producers sent them, their diffs in a table of their own, and who has opened which."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import GeneratedField, Q

from .access import Producer


class Severity(models.TextChoices):
    UNKNOWN = "unknown", "Unknown"
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class Wargaming(models.TextChoices):
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"
    INCONCLUSIVE = "inconclusive", "Inconclusive"
    ERROR = "error", "Error"
    NOT_RUN = "not_run", "Not run"


class PatchKind(models.TextChoices):
    PATCH = "patch", "Patch"
    GATE = "gate", "Workflow gate"


class Strategy(models.TextChoices):
    VERSION_BUMP = "version_bump", "Version bump"
    CODE_REWRITE = "code_rewrite", "Code rewrite"
    CONFIG_CHANGE = "config_change", "Configuration change"


class RiskLevel(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class Patch(models.Model):
    """One revision of one proposed change.

    The columns down to `created_at` are what the producer sent; a trigger refuses any change of them. Those
    after it are derived by us and may be recomputed. `priority` and everything with a clock is on the decision.
    """

    kind = models.CharField(max_length=5, choices=PatchKind, default=PatchKind.PATCH)
    producer = models.ForeignKey(Producer, models.PROTECT, related_name="patches")
    patch_id = models.CharField(max_length=200)
    revision = models.PositiveIntegerField()
    supersedes = models.OneToOneField("self", models.PROTECT, null=True, related_name="superseded_by")

    apv_id = models.CharField("APV id", max_length=255)
    title = models.CharField(max_length=500, blank=True)
    description = models.TextField(blank=True)
    cve_description = models.TextField(blank=True)
    affected_range = models.CharField(max_length=255, blank=True)
    cve_ids = ArrayField(models.CharField(max_length=255), default=list)
    aliases = ArrayField(models.CharField(max_length=255), default=list)
    cwe_ids = ArrayField(models.CharField(max_length=255), default=list)
    severity = models.CharField(max_length=8, choices=Severity)
    cvss_score = models.FloatField(null=True)
    cvss_vector = models.CharField(max_length=255, blank=True)
    epss = models.FloatField(null=True)
    epss_date = models.DateField(null=True)
    kev = models.BooleanField(default=False)
    references = models.JSONField(default=list)
    package_name = models.CharField(max_length=255, blank=True)
    ecosystem = models.CharField(max_length=255, blank=True)
    purl = models.CharField(max_length=255, blank=True)
    current_version = models.CharField(max_length=255, blank=True)
    target_version = models.CharField(max_length=255, blank=True)
    language = models.CharField(max_length=255, blank=True)
    affected_systems = ArrayField(models.CharField(max_length=255), default=list)
    patch_size_lines = models.PositiveIntegerField(null=True)
    repository = models.CharField(max_length=255, blank=True)
    base_commit = models.CharField(max_length=255, blank=True)
    strategy = models.CharField(max_length=13, choices=Strategy, blank=True)
    risk_level = models.CharField(max_length=8, choices=RiskLevel, blank=True)
    vulnerable_locations = models.JSONField(default=list)

    sha256 = models.CharField(max_length=64)
    document_sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()

    ml_confidence = models.FloatField(null=True)
    ml_prediction = models.BooleanField(null=True)
    ml_model_version = models.CharField(max_length=255, blank=True)
    ml_shap = models.JSONField(null=True)
    ml_base_value = models.FloatField(null=True)
    ml_execution_ms = models.PositiveIntegerField(null=True)

    wargaming = models.CharField(max_length=12, choices=Wargaming, default=Wargaming.NOT_RUN)
    wargaming_phase1 = models.BooleanField(null=True)
    wargaming_phase2 = models.BooleanField(null=True)
    wargaming_validation_passed = models.BooleanField(null=True)
    wargaming_exploit_id = models.CharField(max_length=255, blank=True)
    wargaming_phases = models.JSONField(default=list)
    wargaming_execution_ms = models.PositiveIntegerField(null=True)
    wargaming_error = models.TextField(blank=True)
    wargaming_log = models.TextField(blank=True)
    wargaming_run_url = models.CharField(max_length=2000, blank=True)

    requested_priority = models.CharField(max_length=8, blank=True)
    requires_manual_review = models.BooleanField(default=False)
    manual_review_reason = models.CharField(max_length=255, blank=True)
    submitted_by = models.CharField(max_length=255, blank=True)
    triggered_by = models.CharField(max_length=255, blank=True)
    model_owner = models.CharField(max_length=255, blank=True)
    simulation_author = models.CharField(max_length=255, blank=True)
    synthetic = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    vulnerability_ids = ArrayField(models.CharField(max_length=255), default=list)  # all its names, to compare
    # The higher of the score as sent and the base score of the vector.
    cvss_counted = models.FloatField(null=True)
    effective_severity = models.CharField(max_length=8, choices=Severity)
    known_exploited = models.BooleanField(default=False)
    file_count = models.PositiveIntegerField(default=0)
    additions = models.PositiveIntegerField(default=0)
    deletions = models.PositiveIntegerField(default=0)
    parsed = models.BooleanField(default=True)
    parse_warnings = models.JSONField(default=list)
    canonical_sha256 = models.CharField(max_length=64, blank=True)
    no_canonical = models.TextField(blank=True)
    ambiguous = models.TextField(blank=True)
    marks = ArrayField(models.CharField(max_length=40), default=list)
    worst_mark = models.CharField(max_length=80, blank=True)
    # Digests of the added and deleted lines alone (`diff.same_lines`); NULL if no line is changed, and for an older
    # patch until `manage.py fill_same_lines` has read it. Equal digests mean the same change; NULL equals nothing.
    change_sha256 = models.CharField(max_length=64, null=True)  # noqa: DJ001  null is like no other
    change_spaceless_sha256 = models.CharField(max_length=64, null=True)  # noqa: DJ001  null is like no other
    change_files_sha256 = models.CharField(max_length=64, null=True)  # noqa: DJ001  null is like no other
    mark_codes = ArrayField(models.CharField(max_length=50), null=True)
    search_text = models.TextField(blank=True)
    search = GeneratedField(
        expression=SearchVector("search_text", config="simple"), output_field=SearchVectorField(), db_persist=True
    )

    class Meta:
        verbose_name_plural = "patches"
        constraints = [
            models.UniqueConstraint(fields=["producer", "patch_id", "revision"], name="patch_revision_once"),
            models.CheckConstraint(condition=Q(kind__in=PatchKind.values), name="patch_kind"),
            models.CheckConstraint(
                condition=Q(ml_confidence__isnull=True) | Q(ml_confidence__gte=0, ml_confidence__lte=1),
                name="patch_confidence_range",
            ),
            models.CheckConstraint(
                condition=Q(cvss_score__isnull=True) | Q(cvss_score__gte=0, cvss_score__lte=10),
                name="patch_cvss_range",
            ),
        ]
        indexes = [
            models.Index(fields=["patch_id"], name="patch_by_patch_id"),  # GET /hitl/patches/{patch_id} of any producer
            models.Index(fields=["sha256"], name="patch_by_digest"),  # search by digest; verdict by digest
            models.Index(fields=["package_name"], name="patch_by_package"),  # queue filter 'package'
            models.Index(fields=["created_at"], name="patch_by_arrival"),  # analytics of a period
            models.Index(
                fields=["change_sha256"], name="patch_by_lines", condition=Q(change_sha256__isnull=False)
            ),  # 'same lines as others' on card and page, queue filter 'lines'
            models.Index(
                fields=["change_spaceless_sha256"],
                name="patch_by_spaceless_lines",
                condition=Q(change_spaceless_sha256__isnull=False),
            ),  # the same except for whitespace, on the page and in the queue filter 'lines'
            GinIndex(
                fields=["vulnerability_ids"], name="patch_by_vulnerability", fastupdate=False
            ),  # other patches of a vulnerability, at intake and on the page; queue filter 'CVE'
            GinIndex(fields=["cwe_ids"], name="patch_by_cwe", fastupdate=False),  # queue filter 'CWE class'
            GinIndex(
                fields=["search"], name="patch_by_words", gin_pending_list_limit=128
            ),  # full-text search in queue and history
        ]

    def __str__(self) -> str:
        return f"{self.patch_id} rev {self.revision}"

    @property
    def cve_id(self) -> str | None:
        """Return the first identifier as sent, mostly a CVE: the one on cards and in the reference API."""
        return self.cve_ids[0] if self.cve_ids else None

    @property
    def vulnerability(self) -> str | None:
        """Return the name by which pages and the log call the vulnerability, as sent: the first identifier, or where
        only other names were sent, the first of those."""
        return next(iter(self.cve_ids or self.aliases), None)

    @property
    def heading(self) -> str:
        """Return the title, or package and versions if there is none."""
        if self.title:
            return self.title
        versions = f" {self.current_version} to {self.target_version}" if self.target_version else ""
        return f"{self.package_name or self.repository}{versions}"

    @property
    def metadata_notes(self) -> list[str]:
        """Return the warnings about the metadata, without those about the diff."""
        return [warning["message"] for warning in self.parse_warnings if warning["code"].startswith("metadata-")]

    @property
    def has_long_steps(self) -> bool:
        """Return whether the page shows only the beginning of some step's detail."""
        return any(len(step.get("detail") or "") > 300 for step in self.wargaming_phases)

    @property
    def is_gate(self) -> bool:
        """Return whether this is a workflow gate: it has no diff, and its `Gate` holds what was sent."""
        return self.kind == PatchKind.GATE

    @property
    def label(self) -> str:
        """Return the few words by which the audit log names it."""
        parts = [self.vulnerability, self.package_name or self.repository, self.current_version]
        return " ".join(filter(None, parts)) or self.patch_id

    @property
    def wargaming_passed(self) -> bool | None:
        """Return the reference API's three-valued result: None unless phase 1 and 2 gave a verdict."""
        return {Wargaming.PASSED: True, Wargaming.FAILED: False}.get(Wargaming(self.wargaming))

    @property
    def agreement(self) -> bool | None:
        """Return whether ML and wargaming say the same; None when either said nothing."""
        if self.ml_prediction is None or self.wargaming_passed is None:
            return None
        return self.ml_prediction == self.wargaming_passed


class PatchContent(models.Model):
    """The diff, byte for byte; in a table of its own so that no list ever loads it."""

    patch = models.OneToOneField(Patch, models.PROTECT, primary_key=True, related_name="content")
    diff = models.BinaryField()

    def __str__(self) -> str:
        return f"content of patch {self.pk}"


class PatchView(models.Model):
    """When a person first opened a patch's page; approving from a card or in bulk requires it."""

    patch = models.ForeignKey(Patch, models.PROTECT, related_name="views")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "patch"], name="patch_view_once")]

    def __str__(self) -> str:
        return f"{self.user_id} opened {self.patch_id}"
