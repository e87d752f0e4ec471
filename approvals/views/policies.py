"""The Policies page: what covers what, what it would have done, who changed it; the kill switch and open proposals."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.forms import BoundField
from django.forms.utils import ErrorDict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.actors import person_actor
from approvals.admin.policies import AUTOMATIC, CLOCKS, PEOPLE, SWITCHES, PolicyForm
from approvals.errors import Refusal
from approvals.fields import FieldGroups
from approvals.forms import ConditionForm
from approvals.models import Policy, PolicyVersion
from approvals.permissions import CHANGE_POLICY
from approvals.policy.conditions import BadCondition, check
from approvals.queries.backtest import MOST, backtest, would_tell
from approvals.queries.deciders import is_lead, open_proposals
from approvals.services import killswitch, second_person

from .access import policy_readers, user_of
from .links import with_parameters
from .proposals import described, proposals_shown


class PageForm(FieldGroups, PolicyForm):
    """The admin's form in the page's layout: sections of fields, with our classes on the widgets. While a condition is
    added nothing else is judged, and what is only tried needs no reason."""

    use_required_attribute = True
    required_css_class = ""

    def __init__(self, *args: Any, act: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.act = act

    def full_clean(self) -> None:
        if self.act == "add":
            self._errors, self.cleaned_data = ErrorDict(), {}
        else:
            super().full_clean()

    def check_reason(self, reason: str) -> None:
        if self.act != "try":
            super().check_reason(reason)

    def section(self, names: tuple[str, ...]) -> list[BoundField]:
        return [self[name] for name in names]

    switches = property(lambda self: self.section(SWITCHES))
    automatic = property(lambda self: self.section(AUTOMATIC))
    people = property(lambda self: self.section(PEOPLE))
    clocks = property(lambda self: self.section(CLOCKS))


def changers(view: Any) -> Any:
    return login_required(permission_required(CHANGE_POLICY, raise_exception=True)(view))


@require_safe
@policy_readers
def index(request: HttpRequest) -> HttpResponse:
    """Every policy in the order it is asked, the kill switch, and what waits for a second person."""
    rows = Policy.objects.select_related("current").order_by("position")
    return render(
        request,
        "approvals/policies.html",
        {
            "active": "policies",
            "policies": [_row(policy) for policy in rows],
            "stopped_by": killswitch.stopped_by(),
            "proposals": proposals_shown(open_proposals(), user_of(request)),
            "may_switch": is_lead(user_of(request)),
            "second_person": second_person.required(),
        },
    )


@require_safe
@policy_readers
def detail(request: HttpRequest, policy_id: int) -> HttpResponse:
    """One policy: its terms, the difference between two versions and, when asked, what it would have done to history:
    that judges every patch again and takes its time."""
    policy = get_object_or_404(Policy.objects.select_related("current"), pk=policy_id)
    current = cast(PolicyVersion, policy.current)
    versions = list(policy.versions.order_by("-version"))
    return render(
        request,
        "approvals/policy_detail.html",
        {
            "active": "policies",
            "policy": policy,
            "row": _row(policy),
            "terms": described(current).items(),
            "history": backtest(current) if request.GET.get("try") else None,
            "most": f"{MOST:,}",
            "try_url": with_parameters(request, **{"try": "1"}),
            "versions": versions,
            "difference": _difference(request, versions),
            "proposals": proposals_shown(open_proposals().filter(policy=policy), user_of(request)),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@changers
def edit(request: HttpRequest, policy_id: int | None = None) -> HttpResponse:
    """Write a policy: add conditions by form, try it on history, publish it. Nothing is saved before the last."""
    policy = get_object_or_404(Policy.objects.select_related("current"), pk=policy_id) if policy_id else None
    posted = request.POST.copy() if request.method == "POST" else None
    adding = ConditionForm(posted if posted and posted.get("act") == "add" else None)
    if posted and adding.is_bound and adding.is_valid():
        posted["match"] = adding.joined_to(posted.get("match", ""))
        adding = ConditionForm()
    act = str(posted.get("act", "")) if posted else ""
    form = PageForm(posted, instance=policy or _next(), act=act)
    history = told = None
    if act in {"try", "publish"} and form.is_valid():
        if act == "publish" and (done := _publish(request, form)):
            return done
        version = PolicyVersion(**form.terms())
        history, told = backtest(version), would_tell(version)
    context = {
        "active": "policies",
        "policy": policy,
        "form": form,
        "adding": adding,
        "history": history,
        "told": told,
        "limit": settings.NOTIFICATIONS_PER_HOUR,
        "why": _why_a_second_person(form) if act in {"try", "publish"} else [],
    }
    status = 422 if form.errors or adding.errors else 200
    return render(request, "approvals/policy_edit.html", context, status=status)


@require_POST
@policy_readers
def switch(request: HttpRequest) -> HttpResponse:
    """Stop automatic approval, or ask that it runs again."""
    user, reason = user_of(request), request.POST.get("reason", "")
    actor, now = person_actor(request, user), timezone.now()
    try:
        if request.POST.get("to") == "stop":
            second_person.stop(reason=reason, user=user, actor=actor, now=now)
            messages.success(request, "Automatic approval is stopped. Every patch goes to people from now on.")
        elif second_person.start_again(reason=reason, user=user, actor=actor, now=now):
            messages.warning(request, "Automatic approval stays stopped until a second lead agrees.")
        else:
            messages.success(request, "Automatic approval runs again.")
    except Refusal as error:
        messages.error(request, error.detail)
    return redirect("policies")


def _publish(request: HttpRequest, form: PolicyForm) -> HttpResponse | None:
    """Publish or propose what the form says; None when it was refused, with the sentence at the form."""
    user = user_of(request)
    try:
        proposal = second_person.change_policy(
            form.instance,
            form.terms(),
            reason=form.cleaned_data["reason"],
            user=user,
            actor=person_actor(request, user),
            now=timezone.now(),
        )
    except Refusal as error:
        form.add_error(None, error.detail)
        return None
    if proposal:
        messages.warning(request, "This loosens the rules: it waits for a second person, and nothing has changed yet.")
    else:
        messages.success(request, "Published.")
    return redirect("policy-detail", form.instance.pk)


def _why_a_second_person(form: PolicyForm) -> list[str]:
    if form.errors and set(form.errors) != {"reason"}:
        return []
    try:
        return second_person.why_it_loosens(form.as_asked(), form.terms())
    except KeyError:  # a field that another error has emptied
        return []


def _next() -> Policy:
    """Return a new policy's place: before all others but where people put it."""
    first = Policy.objects.order_by("position").values_list("position", flat=True).first() or 10
    return Policy(position=max(1, first - 5), enabled=True)


def _row(policy: Policy) -> dict[str, Any]:
    version = cast(PolicyVersion, policy.current)
    terms = described(version)
    return {
        "policy": policy,
        "version": version,
        "automatic": terms["Automatic approval"],
        "sla": terms["SLA breach"],
        "ends": terms["Ends"],
        "broken": _broken(version),
    }


def _broken(version: PolicyVersion) -> str:
    """Return why a version's condition can no longer be evaluated; it then covers nothing."""
    try:
        check(version.match)
    except BadCondition as error:
        return str(error)
    return ""


def _difference(request: HttpRequest, versions: list[PolicyVersion]) -> dict[str, Any] | None:
    """Return the terms that differ between the versions asked for; by default the newest and the one before."""
    by_number = {str(version.version): version for version in versions}
    new = by_number.get(request.GET.get("to", ""), versions[0])
    before = by_number.get(request.GET.get("from", ""), versions[1] if len(versions) > 1 else None)
    if before is None or before == new:
        return None
    old_terms, new_terms = described(before), described(new)
    rows = [(label, old_terms[label], words) for label, words in new_terms.items() if words != old_terms[label]]
    return {"from": before, "to": new, "rows": rows}
