"""What people type: queue and history filters, verdicts, comments, reasons.

A policy's form is made from the table of its terms, in `admin/policies.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from approvals.fields import FieldGroups, PercentField, PresentPasswordField, TextField
from approvals.models import (
    MAX_COMMENT,
    MAX_REASON,
    Category,
    PatchKind,
    PolicyVersion,
    Priority,
    Producer,
    Severity,
    Side,
    Status,
    User,
    Verdict,
    Wargaming,
)
from approvals.policy.conditions import FACTS, BadCondition
from approvals.policy.operators import OPERATORS, written
from approvals.queries.history import HistoryFilters
from approvals.queries.queue import ORDERS, Filters
from approvals.queries.revocable import Approvals, reviewer_named
from audit.days import DayField, midnight

ANY = [("", "Any")]
PRIORITIES = [(priority.name.lower(), priority.label) for priority in reversed(Priority)]
SLA_STATES = [("ok", "On time"), ("warning", "Due soon"), ("breached", "Breached"), ("none", "No SLA")]


SHARES = {"confidence_min": "confidence_from", "confidence_max": "confidence_to"}


class QueueForm(forms.Form):
    """The queue's filters and order, from the query string."""

    q = forms.CharField(required=False, max_length=200, label="Search")
    priority = forms.ChoiceField(required=False, choices=ANY + PRIORITIES)
    severity = forms.ChoiceField(
        required=False, choices=ANY + list(reversed(Severity.choices)), widget=forms.RadioSelect
    )
    kind = forms.ChoiceField(required=False, choices=ANY + PatchKind.choices)
    cve = forms.CharField(required=False, max_length=255, label="Vulnerability")
    cwe = forms.CharField(required=False, max_length=255, label="CWE")
    package = forms.CharField(required=False, max_length=255)
    ecosystem = forms.CharField(required=False, max_length=255)
    language = forms.CharField(required=False, max_length=255)
    confidence_from = PercentField()
    confidence_to = PercentField()
    wargaming = forms.ChoiceField(
        required=False,
        choices=[*ANY, *Wargaming.choices, ("disagrees", "Disagrees with ML")],
        widget=forms.RadioSelect,
    )
    sla = forms.ChoiceField(required=False, label="SLA", choices=ANY + SLA_STATES, widget=forms.RadioSelect)
    producer = forms.CharField(required=False, max_length=100)
    policy = forms.CharField(required=False, max_length=100)
    mine = forms.BooleanField(required=False, label="Needs my approval")
    escalated = forms.BooleanField(required=False)
    careful = forms.BooleanField(required=False, label="Needs a careful look")
    lines = forms.RegexField(r"^[0-9a-f]{64}$", required=False)
    sort = forms.ChoiceField(required=False, choices=[("", "")] + [(name, name) for name in ORDERS])

    def __init__(self, data: QueryDict) -> None:
        super().__init__(_in_percent(data))

    def filters(self) -> Filters:
        """Return the filters that are valid; a wrong one narrows nothing and shows its error."""
        self.is_valid()
        given = {name: value for name, value in self.cleaned_data.items() if name != "sort" and value is not None}
        shares = {name: given.pop(percent) / 100 for name, percent in SHARES.items() if percent in given}
        return Filters(**given, **shares)

    def order(self) -> str:
        self.is_valid()
        return self.cleaned_data.get("sort") or "priority"

    def offered(self) -> list[forms.BoundField]:
        """Return the fields of the long menu whose values are offered while one types."""
        return [self[name] for name in ("package", "language", "producer", "policy")]


class HistoryForm(forms.Form):
    """The history's filters, from the query string; dates are days in the reader's time zone."""

    q = forms.CharField(required=False, max_length=200, label="Search")
    status = forms.ChoiceField(required=False, choices=ANY + Status.choices)
    priority = forms.ChoiceField(required=False, choices=ANY + PRIORITIES, widget=forms.RadioSelect)
    kind = forms.ChoiceField(required=False, choices=ANY + PatchKind.choices, widget=forms.RadioSelect)
    reviewer = forms.CharField(required=False, max_length=150)
    since = DayField(label="From")
    until = DayField(label="To")

    def filters(self) -> HistoryFilters:
        self.is_valid()
        values = dict(self.cleaned_data)
        return HistoryFilters(
            q=values.get("q", ""),
            status=values.get("status", ""),
            priority=values.get("priority", ""),
            kind=values.get("kind", ""),
            reviewer=values.get("reviewer", ""),
            since=midnight(values.get("since")),
            until=midnight(values.get("until"), days=1),
        )


class WordsForm(forms.Form):
    """A verdict with its words: a refusal needs some, a rejection also what is wrong; each error at its field.

    One field serves every verdict, so all of them have room for a reason; more fits into a comment.
    """

    verdict = forms.ChoiceField(choices=Verdict.choices, error_messages={"required": "Choose what you decide."})
    text = TextField(required=False, strip=True)
    category = forms.ChoiceField(required=False, choices=[("", "Choose what is wrong"), *Category.choices])
    in_name_of = forms.IntegerField(required=False, error_messages={"invalid": "Choose one of the names."})

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        verdict, text = values.get("verdict"), values.get("text", "")
        if verdict in {Verdict.REJECT, Verdict.REQUEST_CHANGES} and "text" in values and not text:
            what = "is wrong" if verdict == Verdict.REJECT else "should change"
            self.add_error("text", f"Say what {what}; nothing was sent.")
        if len(text) > MAX_REASON:
            self.add_error("text", f"There is room for {MAX_REASON:,} characters here, this has {len(text):,}.")
        if verdict == Verdict.REJECT and "category" in values and not values["category"]:
            self.add_error("category", "Choose what is wrong; nothing was sent.")
        return values


class VerdictForm(WordsForm):
    """One verdict on one digest, as the decision panel or a card sends it; the panel may ask for a password too."""

    patch_sha256 = forms.RegexField(
        r"^[0-9a-f]{64}$",
        error_messages={
            "required": "The digest is missing; reload the page.",
            "invalid": "The digest is damaged; reload the page.",
        },
    )
    bypass = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    displayed = forms.ChoiceField(required=False, choices=[("page", "page"), ("card", "card")])
    opened_at = forms.DateTimeField(required=False)
    password = forms.CharField(required=False, max_length=4_096, strip=False)


class TokenForm(FieldGroups, forms.Form):
    """A personal token: what its person calls it, and after how many days it ends."""

    required_css_class = ""
    announces_errors = True
    name = forms.CharField(
        max_length=100,
        strip=True,
        label="What it is for",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Say what the token is for."},
    )
    days = forms.TypedChoiceField(
        coerce=int,
        choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")],
        initial=30,
        label="Ends after",
    )

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data, auto_id="token-%s")


class ConfirmForm(FieldGroups, forms.Form):
    required_css_class = ""
    announces_errors = True
    password = PresentPasswordField("Password", autofocus=True)


class BulkForm(WordsForm):
    """One verdict on many cards; the ticked items come beside it."""


class CommentForm(forms.Form):
    text = TextField(max_length=MAX_COMMENT, strip=True, error_messages={"required": "Write something first."})
    file = forms.CharField(required=False, max_length=1000)
    line = forms.IntegerField(required=False, min_value=0)
    side = forms.TypedChoiceField(required=False, choices=Side.choices, coerce=Side, empty_value=Side.NEW)


class ReasonForm(forms.Form):
    reason = TextField(max_length=MAX_REASON, strip=True, error_messages={"required": "Say why."})


PERIODS = [(3600, "1 hour"), (4 * 3600, "4 hours"), (86_400, "1 day"), (3 * 86_400, "3 days"), (7 * 86_400, "7 days")]


class ExtendForm(ReasonForm):
    """How much more time, in seconds, and why."""

    seconds = forms.TypedChoiceField(coerce=int, choices=PERIODS, error_messages={"required": "Choose how long."})


class RevokeForm(FieldGroups, forms.Form):
    """Whose approvals are taken back, and of which days in the reader's time zone."""

    model_version = forms.CharField(required=False, max_length=255, label="Model version")
    policy_version = forms.ModelChoiceField(
        PolicyVersion.objects.select_related("policy").order_by("policy__position", "-version"),
        required=False,
        empty_label="Any",
        label="Policy version",
    )
    producer = forms.ModelChoiceField(Producer.objects.order_by("name"), required=False, empty_label="Any")
    reviewer = forms.CharField(required=False, max_length=254, widget=forms.TextInput(attrs={"list": "reviewers"}))
    since = DayField(label="Decided from", widget=forms.DateInput(attrs={"type": "date"}))
    until = DayField(label="to", widget=forms.DateInput(attrs={"type": "date"}))

    def clean_reviewer(self) -> User | None:
        text = self.cleaned_data["reviewer"]
        if text and reviewer_named(text) is None:
            raise forms.ValidationError("Nobody has this user name or e-mail address.")
        return reviewer_named(text) if text else None

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and not self.approvals().named():
            raise forms.ValidationError("Name a model version, a policy version, a producer or a reviewer.")
        return values

    def approvals(self) -> Approvals:
        """Return what valid fields mean."""
        given = {name: self.cleaned_data.get(name) for name in ("policy_version", "producer", "reviewer")}
        return Approvals(
            model_version=self.cleaned_data.get("model_version", ""),
            since=midnight(self.cleaned_data.get("since")),
            until=midnight(self.cleaned_data.get("until"), days=1),
            **{name: row.pk if row else None for name, row in given.items()},
        )

    def criteria(self) -> dict[str, str]:
        """Return what was given, in words, for the record; a person by their pseudonym."""
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return {name: f"user:{value.pk}" if name == "reviewer" else str(value) for name, value in given.items()}


class ShownApprovalsForm(ReasonForm):
    """The list that was looked at, as its page sends it back, and why it is revoked."""

    digest = forms.RegexField(r"^[0-9a-f]{64}$")
    count = forms.IntegerField(min_value=0)
    shown_at = forms.DateTimeField()


class AbsenceForm(FieldGroups, ReasonForm):
    """Who stands in, on which days in the reader's time zone, and why."""

    delegate = forms.ModelChoiceField(
        User.objects.none(),
        label="Who",
        empty_label="Choose a reviewer",
        help_text="They must be allowed to review themselves. A group that a policy asks for is not handed over: for "
        "those patches they must be in it too. They cannot approve what you submitted.",
        error_messages={"required": "Choose who stands in."},
    )
    starts = DayField(
        required=True,
        label="From",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"required": "Choose the first day."},
    )
    ends = DayField(
        required=True,
        label="Until, this day included",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"required": "Choose the last day."},
    )
    reason = TextField(max_length=MAX_REASON, strip=True, label="Why", error_messages={"required": "Say why."})
    field_order = ("delegate", "starts", "ends", "reason")

    def __init__(self, data: QueryDict | None, people: QuerySet[User]) -> None:
        super().__init__(data)
        self.fields["delegate"].queryset = people  # type: ignore[attr-defined]

    def period(self) -> tuple[datetime, datetime]:
        """Return the first moment of the first day and the one after the last."""
        first, last = midnight(self.cleaned_data["starts"]), midnight(self.cleaned_data["ends"], days=1)
        assert first is not None
        assert last is not None
        return first, last


TERMS = [(3600, "1 hour"), (2 * 3600, "2 hours"), (4 * 3600, "4 hours"), (8 * 3600, "8 hours")]


class BypassForm(FieldGroups, ReasonForm):
    """Who may approve alone, what, for how long once it is granted, and why."""

    use_required_attribute = True
    required_css_class = ""
    holder = forms.ModelChoiceField(
        User.objects.none(),
        label="Who approves alone",
        empty_label="Choose a reviewer",
        error_messages={"required": "Choose who may approve alone."},
    )
    target = forms.ChoiceField(label="What", choices=[("patch", "One patch"), ("package", "Every patch of a package")])
    decision = forms.UUIDField(
        required=False,
        label="The patch",
        help_text="The id at the end of its page's address. One revision: another one needs another bypass.",
    )
    ecosystem = forms.CharField(
        required=False, max_length=255, help_text="As the producer sends it; empty where it sends none."
    )
    package = forms.CharField(required=False, max_length=255, help_text="As the producer sends it, letter for letter.")
    seconds = forms.TypedChoiceField(
        coerce=int, choices=TERMS, label="For how long", help_text="From the moment somebody else grants it."
    )
    reason = TextField(
        max_length=MAX_REASON,
        strip=True,
        label="Why",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why."},
    )
    field_order = ("holder", "target", "decision", "ecosystem", "package", "seconds", "reason")

    def __init__(self, data: QueryDict | None, people: QuerySet[User], initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        self.fields["holder"].queryset = people  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("target") == "patch" and "decision" in values and not values["decision"]:
            self.add_error("decision", "Name the patch.")
        if values.get("target") == "package" and not values.get("package"):
            self.add_error("package", "Name the package.")
        return values


class BypassReviewForm(forms.Form):
    """What is judged of one use of a bypass."""

    justified = forms.TypedChoiceField(
        coerce=lambda value: value == "yes",
        choices=[("yes", "Justified"), ("no", "Not justified")],
        error_messages={"required": "Choose what you judge."},
    )
    note = TextField(max_length=MAX_REASON, strip=True, error_messages={"required": "Say why."})


def _in_percent(data: QueryDict) -> Mapping[str, Any]:
    """Return the query with shares of old links and saved views, 0 to 1 as the API has them, in percent."""
    old = {percent: str(data[share]) for share, percent in SHARES.items() if data.get(share) and not data.get(percent)}
    if not old:
        return data
    read = data.copy()
    for percent, share in old.items():
        try:
            read[percent] = f"{float(share) * 100:.10g}"
        except ValueError:
            read[percent] = share
    return read


class ConditionForm(forms.Form):
    """A field, an operator and a value, which become one more line of a policy's condition."""

    field = forms.ChoiceField(choices=[(name, name) for name in sorted(FACTS)])
    operator = forms.ChoiceField(choices=list(OPERATORS.items()))
    value = forms.CharField(max_length=200)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            try:
                values["condition"] = written(values["field"], values["operator"], values["value"])
            except BadCondition as error:
                self.add_error("value", str(error))
        return values

    def joined_to(self, match: str) -> str:
        """Return the condition so far and this one, both of which must hold."""
        so_far = match.strip()
        new: str = self.cleaned_data["condition"]
        if so_far in {"", "true"}:
            return new
        return f"{f'({so_far})' if '||' in so_far else so_far} && {new}"
