"""Change policies: every change is a new version or a recorded switch. The only writer of policies."""

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

import rfc8785
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Max

from approvals.errors import Invalid
from approvals.models import ExpireAction, Policy, PolicyVersion, User
from approvals.policy.conditions import BadCondition, check
from approvals.policy.term_table import TERMS
from approvals.policy.terms import named_in, wrong_end, wrong_levels, wrong_reminders
from approvals.queries.people import pseudonyms_of
from audit.log import Actor, Subject, record


def publish(policy: Policy, terms: dict[str, Any], *, actor: Actor, now: datetime) -> PolicyVersion:
    """Make these terms the policy's current version; equal terms publish nothing. Raise Invalid."""
    check_terms(policy, terms)
    with transaction.atomic():
        Policy.objects.select_for_update().get(pk=policy.pk)
        current = PolicyVersion.objects.filter(current_of=policy).first()
        old = terms_of(current) if current else None
        if current and old == canonical_terms(terms):
            return current
        number = (policy.versions.aggregate(last=Max("version"))["last"] or 0) + 1
        version = PolicyVersion.objects.create(
            policy=policy,
            version=number,
            sha256=_digest({"name": policy.name, "version": number, **canonical_terms(terms)}),
            created_by=actor.label,
            created_at=now,
            **terms,
        )
        policy.current = version
        policy.save(update_fields=["current"])
        _record(
            policy,
            {"version": current.version, **old} if current and old else None,
            terms_of(version) | {"version": number},
            actor,
            now,
        )
    return version


def _digest(content: dict[str, Any]) -> str:
    """Return the hex SHA-256 of a version's canonical content (RFC 8785), by which entries name it."""
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def arrange(policy: Policy, *, actor: Actor, now: datetime) -> None:
    """Save a policy's name, place and switch as set on the object, with old and new in the log. Raise Invalid."""
    check_place(policy)
    with transaction.atomic():
        old = Policy.objects.select_for_update().filter(pk=policy.pk).first()
        before = place_of(old) if old else None
        if before == place_of(policy):
            return
        # Never `current`: somebody may have published since this object was read.
        policy.save(update_fields=["name", "position", "enabled"] if old else None)
        _record(policy, before, place_of(policy), actor, now)


def check_place(policy: Policy) -> None:
    """Raise Invalid unless every patch stays covered: the default policy is on, and nothing comes after it."""
    if policy.is_default and not policy.enabled:
        sentence = "The default policy cannot be switched off: every patch must be covered."
        raise Invalid(sentence, field="enabled")
    others = Policy.objects.exclude(pk=policy.pk)
    if policy.is_default:
        misplaced = others.filter(position__gte=policy.position).exists()
    else:
        misplaced = others.filter(is_default=True, position__lte=policy.position).exists()
    if misplaced:
        sentence = "The default policy comes last: it matches every patch, so no policy after it would be asked."
        raise Invalid(sentence, field="position")


def check_terms(policy: Policy, terms: dict[str, Any]) -> None:
    """Raise Invalid for terms that could not be enforced as written."""
    try:
        check(terms["match"])
    except BadCondition as error:
        raise Invalid(str(error), field="match") from error
    if policy.is_default and terms["match"].strip() != "true":
        raise Invalid(
            "The default policy matches every patch: its condition is `true`.",
            field="match",
            msg="must be `true`",
        )
    warn, due = terms.get("sla_warn_seconds"), terms.get("sla_due_seconds")
    if warn is not None and (due is None or warn > due):
        raise Invalid(
            "The SLA warning comes before its breach.",
            field="sla_warn_seconds",
            msg="after the breach",
        )
    _check_times_and_names(terms)


def _check_times_and_names(terms: dict[str, Any]) -> None:
    """Raise Invalid for reminders, levels, groups or an end of the time that could not be kept; each at its field."""
    levels, action = terms.get("escalation") or [], terms.get("expire_action", ExpireAction.EXPIRE)
    found = {
        "escalation": wrong_levels(levels, terms.get("escalate_after_seconds")),
        "reminder_percents": wrong_reminders(terms.get("reminder_percents") or []),
        "expire_action": wrong_end(action, terms.get("expire_after_seconds"), terms["match"]),
    }
    found["escalation"] = found["escalation"] or _not_there(levels)
    found |= {name: _no_group(set(terms.get(name) or [])) for name in ("required_groups", "decider_groups")}
    for field, sentence in found.items():
        if sentence:
            raise Invalid(sentence, field=field)


def _not_there(levels: list[dict[str, Any]]) -> str | None:
    """Return which group or person that a level asks does not exist."""
    people = named_in(levels, "people")
    if sentence := _no_group(named_in(levels, "groups")):
        return sentence
    known = User.objects.filter(username__in=people, is_active=True).values_list("username", flat=True)
    if lost := sorted(people - set(known)):
        return f"There is no active person with the user name {', '.join(lost)}."
    return None


def _no_group(names: set[str]) -> str | None:
    lost = sorted(names - set(Group.objects.filter(name__in=names).values_list("name", flat=True)))
    return f"There is no group {', '.join(lost)}." if lost else None


def terms_of(version: PolicyVersion) -> dict[str, Any]:
    return canonical_terms({name: getattr(version, name) for name in TERMS})


def from_plain(terms: dict[str, Any]) -> dict[str, Any]:
    """Return terms as a version's columns hold them."""
    return terms | {"auto_approve_threshold": Decimal(terms["auto_approve_threshold"])}


def canonical_terms(terms: dict[str, Any]) -> dict[str, Any]:
    """Return the terms as entries and digests hold them: decimals as text, so that 0.95 and 0.950 are one."""
    return {
        name: f"{value.normalize():f}" if isinstance(value := terms.get(name), Decimal) else value for name in TERMS
    }


def place_of(policy: Policy) -> dict[str, Any]:
    """Return a policy's name, position and switch."""
    return {"name": policy.name, "position": policy.position, "enabled": policy.enabled}


def without_names(*terms: dict[str, Any] | None) -> list[dict[str, Any] | None]:
    """Return terms as entries hold them: whom a level of escalation asks by their pseudonyms."""
    chains = [(one or {}).get("escalation") or [] for one in terms]
    known = pseudonyms_of({name for chain in chains for name in named_in(chain, "people")})
    return [_pseudonymous(one, known) if one and "escalation" in one else one for one in terms]


def _pseudonymous(terms: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    levels = [
        level | {"people": [known.get(name, "user:unknown") for name in level["people"]]}
        if level.get("people")
        else level
        for level in terms["escalation"]
    ]
    return terms | {"escalation": levels}


def _record(policy: Policy, old: dict[str, Any] | None, new: dict[str, Any], actor: Actor, now: datetime) -> None:
    before, after = without_names(old, new)
    record(
        "policy.changed",
        actor=actor,
        at=now,
        subject=Subject("policy", str(policy.pk), policy.name),
        data={"old": before, "new": after},
        aside={"old": old, "new": new} if (before, after) != (old, new) else None,
    )
