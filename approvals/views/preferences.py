"""What a person is told, by which way and when: one table of kinds, and their hours."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from approvals.fields import FieldGroups
from approvals.models import User
from approvals.queries.delegations import away_until
from audit.days import DayField, midnight
from notifications.kinds import ALL_KINDS, COLLECTED
from notifications.models import Channel, When
from notifications.queries.chats import slack_user_of
from notifications.queries.preferences import choices_by, times_of
from notifications.routing import Choice, Times, default_choice
from notifications.services import preferences as services

from .access import signed_in, user_of

# What one may choose, in the order of the table: the name in the form, its column, when and by which channels.
WAYS = {
    "mail": ("Mail", Choice(When.AT_ONCE, (Channel.MAIL,))),
    "slack": ("Slack", Choice(When.AT_ONCE, (Channel.SLACK,))),
    "both": ("Mail and Slack", Choice(When.AT_ONCE, (Channel.MAIL, Channel.SLACK))),
    "digest": ("Daily digest", Choice(When.DIGEST)),
    "inbox": ("Inbox only", Choice(When.NEVER)),
}
BY_SLACK = ("slack", "both")
TIMES_SHOWN = ("quiet_from", "quiet_until", "critical_breaks_through", "digest_hour")
SECOND = timedelta(seconds=1)
HOURS = [(hour, f"{hour:02}:00") for hour in range(24)]


def ways_offered(slack: bool) -> dict[str, str]:
    """Return the columns of the table."""
    return {name: label for name, (label, _) in WAYS.items() if slack or name not in BY_SLACK}


def way_of(choice: Choice) -> str:
    """Return the column of a choice; without a channel of ours only the inbox has it."""
    wanted = (choice.when, set(choice.channels) if choice.when == When.AT_ONCE else set())
    found = {
        name: (each.when, set(each.channels) if each.when == When.AT_ONCE else set())
        for name, (_, each) in WAYS.items()
    }
    return next((name for name, way in found.items() if way == wanted), "inbox")


class PreferencesForm(FieldGroups, forms.Form):
    """A way for each kind, as `way_<kind>`, and the hours of their person, on the clocks of their time zone."""

    required_css_class = ""
    announces_errors = True
    quiet_from = forms.TimeField(required=False, label="From", widget=forms.TimeInput(attrs={"type": "time"}))
    quiet_until = forms.TimeField(required=False, label="until", widget=forms.TimeInput(attrs={"type": "time"}))
    critical_breaks_through = forms.BooleanField(required=False, label="What is critical may come in quiet hours too")
    digest_hour = forms.TypedChoiceField(coerce=int, choices=HOURS, label="The digest comes at")
    away_until = DayField(
        label="Away until, this day included",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Until then nothing is sent to you, not even what is critical; one digest when you are back.",
    )

    def __init__(self, data: Any, choices: dict[str, Choice], times: Times, slack: bool) -> None:
        initial = {name: getattr(times, name) for name in TIMES_SHOWN}
        if times.away_until and times.away_until > timezone.now():
            initial["away_until"] = timezone.localdate(times.away_until - SECOND)
        super().__init__(data, initial=initial)
        self.columns = ways_offered(slack)
        for kind in ALL_KINDS:
            offered = {name: label for name, label in self.columns.items() if may_be(kind.name, name)}
            choice = choices.get(kind.name, default_choice(kind.name))
            self.fields[f"way_{kind.name}"] = forms.ChoiceField(
                choices=list(offered.items()),
                initial=way_of(choice) if way_of(choice) in offered else "mail",
                label=kind.title,
                help_text=kind.meaning,
                widget=forms.RadioSelect,
                error_messages={"required": "Choose one."},
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and (values["quiet_from"] is None) != (values["quiet_until"] is None):
            self.add_error("quiet_until", "Quiet hours need both times; leave both empty to have none.")
        return values

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the table: a kind's field, with its box in each column or None where it has none."""
        rows = []
        for kind in ALL_KINDS:
            field = self[f"way_{kind.name}"]
            boxes = {box.data["value"]: box for box in field}
            rows.append({"field": field, "boxes": [boxes.get(name) for name in self.columns]})
        return rows

    def choices(self) -> dict[str, Choice]:
        return {kind.name: WAYS[self.cleaned_data[f"way_{kind.name}"]][1] for kind in ALL_KINDS}

    def times(self) -> dict[str, Any]:
        values = {name: self.cleaned_data[name] for name in TIMES_SHOWN}
        away: datetime | None = midnight(self.cleaned_data["away_until"], days=1)
        return values | {"away_until": away}


def may_be(kind: str, way: str) -> bool:
    """Return whether a kind may come by a way: what gathers others is not gathered itself."""
    return way != "digest" or kind not in COLLECTED


def slack_reaches(user: User) -> bool:
    """Return whether a bot of Slack can tell this person: there is one, and they linked their Slack user."""
    return bool(settings.SLACK_BOT_TOKEN) and bool(slack_user_of(user.pk))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def preferences(request: HttpRequest) -> HttpResponse:
    """Show what a person chose; a POST keeps what they choose now."""
    user, now = user_of(request), timezone.now()
    posted = request.POST if request.method == "POST" else None
    form = PreferencesForm(posted, choices_by(user.pk), times_of([user.pk])[user.pk], slack_reaches(user))
    if posted is not None and form.is_valid():
        services.choose(user.pk, form.choices(), form.times(), now=now)
        messages.success(request, "Saved. It counts for what you are told from now on.")
        return redirect("preferences")
    context = {
        "form": form,
        "stands_in_until": away_until([user.pk], now).get(user.pk),
        "errors": form.errors,
        "limit": settings.NOTIFICATIONS_PER_HOUR,
    }
    return render(request, "approvals/preferences.html", context, status=422 if form.errors else 200)
