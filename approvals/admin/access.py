"""Producers and API tokens in the admin: trust is changed, tokens are issued and revoked, nothing is deleted."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from approvals.accounts.services import tokens
from approvals.errors import Invalid
from approvals.models import EXTRA_SCOPES, SCOPES, ApiToken, Producer, TokenKind
from approvals.permissions import CHANGE_APITOKEN
from approvals.services import second_person, trust

from .asking import check, reason_field, say_it_waits
from .kinds import Kept, acting, signed_in

KINDS = [choice for choice in TokenKind.choices if choice[0] != TokenKind.PERSONAL]
ALL_SCOPES = sorted({*EXTRA_SCOPES, *(scope for scopes in SCOPES.values() for scope in scopes)})
TOKEN_FIELDS = ("name", "kind", "producer", "scopes", "expires_at")


class ProducerForm(forms.ModelForm):  # type: ignore[type-arg]
    reason = reason_field("Needed for more trust, which then waits for a second person.")

    class Meta:
        model = Producer
        fields = ("name", *trust.EVIDENCE)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            check(self, trust.split(kept(self.instance), asked(self.instance, values)))
        return values


def kept(producer: Producer) -> Producer:
    """Return a producer as it is in the database; a new one is trusted for nothing."""
    return Producer.objects.get(pk=producer.pk) if producer.pk else Producer()


def asked(producer: Producer, values: dict[str, Any]) -> Producer:
    """Return the trust a form asks for; what it does not show stays."""
    return Producer(**{name: values.get(name, getattr(producer, name)) for name in trust.EVIDENCE})


@admin.register(Producer)
class ProducerAdmin(Kept):
    """The name stays: policies and entries use it. Trust waits for a second person, distrust does not."""

    form = ProducerForm

    list_display = ("name", "trusted_for_ml", "trusted_for_wargaming", "created_at")
    list_filter = ("trusted_for_ml", "trusted_for_wargaming")
    search_fields = ("name",)

    def get_fields(self, request: HttpRequest, obj: Producer | None = None) -> tuple[str, ...]:
        shown = ("name", *trust.EVIDENCE, "created_at")
        changes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return (*shown, "reason") if second_person.required() and changes else shown

    def get_readonly_fields(self, request: HttpRequest, obj: Producer | None = None) -> tuple[str, ...]:
        return ("name", "created_at") if obj else ("created_at",)

    def save_model(self, request: HttpRequest, obj: Producer, form: Any, change: bool) -> None:
        waits = trust.split(kept(obj), obj)
        reason = form.cleaned_data.get("reason", "")
        if second_person.change_trust(obj, reason=reason, user=signed_in(request), **acting(request)):
            say_it_waits(self, request, waits)


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        required=False,
        choices=[(scope, scope) for scope in ALL_SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: everything the kind may do.",
    )
    kind = forms.ChoiceField(
        choices=[("", "---------"), *KINDS],
        help_text="Personal tokens are issued by the people they act as, on their account page.",
    )

    class Meta:
        model = ApiToken
        fields = TOKEN_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if expiry := self.fields.get("expires_at"):  # two inputs under one heading: each says what it is
            for part, words in zip(expiry.widget.widgets, ("Expires on, date", "Expires at, time"), strict=True):
                part.attrs["aria-label"] = words

    def clean(self) -> dict[str, Any]:
        """Show at its field what `issue_token` would refuse."""
        values = super().clean() or {}
        if "kind" not in values:
            return values
        kind = TokenKind(values["kind"])
        if kind == TokenKind.PRODUCER and "producer" in values and not values["producer"]:
            self.add_error("producer", "A producer token belongs to a producer.")
        elif kind != TokenKind.PRODUCER and values.get("producer"):
            self.add_error("producer", f"A {kind} token belongs to no producer.")
        try:
            tokens.check_token(kind, values.get("scopes", ()), None, values.get("expires_at"), timezone.now())
        except Invalid as error:
            for wrong in error.errors or []:
                if wrong["loc"][0] not in self.errors:
                    self.add_error(wrong["loc"][0], wrong["msg"])
        return values


@admin.register(ApiToken)
class ApiTokenAdmin(Kept):
    """Issued once, revoked at most once, never edited."""

    form = TokenForm
    list_display = ("name", "kind", "prefix", "owner", "scopes", "issued_by", "expires_at", "last_used_at", "state")
    list_filter = ("kind", ("revoked_at", admin.EmptyFieldListFilter), "expires_at")
    list_select_related = ("producer", "user")
    search_fields = ("name", "prefix__exact", "producer__name", "user__username")
    ordering = ("-id",)
    actions = ("revoke",)
    view_fields = (*TOKEN_FIELDS, "user", "prefix", "issued_by", "created_at", "last_used_at", "revoked_at", "state")

    @admin.display(description="Belongs to")
    def owner(self, token: ApiToken) -> str:
        return str(token.producer or (token.user and token.user.username) or "")

    @admin.display(description="State")
    def state(self, token: ApiToken) -> str:
        if token.revoked_at:
            return "revoked"
        return "expired" if token.expires_at and token.expires_at <= timezone.now() else "in force"

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        return self.view_fields if obj else TOKEN_FIELDS

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(CHANGE_APITOKEN)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ApiToken:
        """Issue the token; its secret travels with this one object to the page that answers this request."""
        values = form.cleaned_data
        kind = TokenKind(values.pop("kind"))
        token, secret, waits = second_person.issue_token(
            values.pop("name"), kind, user=signed_in(request), **values, **acting(request)
        )
        if waits.why:
            say_it_waits(self, request, waits)
        token.secret = secret  # type: ignore[attr-defined]
        return token

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Do nothing: `issue_token` wrote it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: a token has no relations of its own."""

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """Answer with the secret itself: a redirect would have to keep it somewhere meanwhile."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Token issued",
            "opts": self.opts,
            "token": obj,
            "secret": obj.secret,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/approvals/apitoken/issued.html", context)

    @admin.action(description="Revoke selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            if tokens.revoke_token(token, **acting(request)):
                self.message_user(request, f"{token} is revoked.", messages.SUCCESS)
            else:
                self.message_user(request, f"{token} was revoked before; nothing was changed.", messages.WARNING)
