"""The facts of an entry in one short line of words, a function for each sort of facts; `types` says whose is which."""

from typing import Any

Data = dict[str, Any]

VERDICTS = {"approve": "approved this digest", "reject": "rejected this digest", "request_changes": "asked for changes"}
THROUGH = {
    "page": "on its page",
    "card": "from the queue",
    "bulk": "in bulk",
    "api": "through the API",
    "chat": "from a chat",
}


def label(type: str) -> str:
    """Return an entry type as badges and filters say it."""
    return type.replace(".", " ").replace("_", " ")


def cause(data: Data) -> str:
    """Why it came to this, with the category of a rejection."""
    return ": ".join(part for part in (_plain(data.get("category")), _text(data.get("cause"))) if part)


def submitted(data: Data) -> str:
    number, asked = data.get("required_approvals"), _plain(data.get("priority"))
    needs = f"{number} approval{'' if number == 1 else 's'} asked for" if isinstance(number, int) else ""
    return ", ".join(
        part for part in (f"revision {data.get('revision', 1)}", asked and f"{asked} priority", needs) if part
    )


def review(data: Data) -> str:
    verdict = VERDICTS.get(_text(data.get("verdict")), "")
    return ", ".join(part for part in (verdict, _plain(data.get("category")), _through(data)) if part)


def _through(data: Data) -> str:
    return THROUGH.get(_text(data.get("channel")), "")


def comment(data: Data) -> str:
    old = "old " if data.get("side") == "old" else ""
    line = f", {old}line {data['line']}" if isinstance(data.get("line"), int) else ""
    return f"on {data['file']}{line}" if data.get("file") else "on the whole patch"


def escalated(data: Data) -> str:
    asked = f", asked {', '.join(data['asked'])}" if data.get("asked") else ""
    return f"to level {data.get('level', 1)}{asked}: {_text(data.get('cause'))}".rstrip(": ")


def reminded(data: Data) -> str:
    return f"{data.get('n', 1)} of {data.get('of', 1)}{_late(data)}"


def _late(data: Data) -> str:
    seconds = data.get("delay_seconds")
    return f", {seconds:,} s late" if isinstance(seconds, int) and seconds >= 60 else ""


def extended(data: Data) -> str:
    return f"by {data.get('seconds', 0):,} s, to {_text(data.get('to'))[:16].replace('T', ' ')} UTC"


def acknowledged(data: Data) -> str:
    return f"position {data.get('position', '')} of the feed, {_plain(data.get('status'))}"


def imported(data: Data) -> str:
    by, at = _text(data.get("decided_by")), _text(data.get("decided_at"))[:16].replace("T", " ")
    told = f"{_plain(data.get('outcome'))} in {_text(data.get('system'))}"
    return told + (f" by {by}" if by else "") + (f" at {at} UTC" if at else "")


def outcome(data: Data) -> str:
    sha256 = _text(data.get("deployed_sha256"))
    digest = f"digest {sha256[:12]}" if sha256 else ""
    return ", ".join(part for part in (_plain(data.get("result")), _plain(data.get("alarm")), digest) if part)


def deployment(data: Data) -> str:
    """Return from where to where, and what the answer was or why there was none."""
    parts = [f"{_text(data.get('repository'))} to {_text(data.get('environment'))}"]
    return ": ".join([*parts, *filter(None, [_text(data.get("answer")) or _text(data.get("fault"))])])


def ordered(data: Data) -> str:
    return f"{data.get('approvals', 0):,} approvals: {_narrowed(data)}"


def revoked_many(data: Data) -> str:
    return f"{data.get('revoked', 0):,} approvals: {_narrowed(data)}"


def _narrowed(data: Data) -> str:
    return ", ".join(f"{_plain(name)} {value}" for name, value in (data.get("criteria") or {}).items())


def delegated(data: Data) -> str:
    return f"to {data.get('delegate', '')}, from {_day(data.get('starts_at'))} to {_day(data.get('ends_at'))}"


def _day(value: Any) -> str:
    return _text(value)[:10]


def raised(data: Data) -> str:
    return f"from {data.get('from', '')} to {data.get('to', '')}: {_text(data.get('cause'))}".rstrip(": ")


def refused(data: Data) -> str:
    return _text(data.get("why")) or _text(data.get("refusal"))


def attempt(data: Data) -> str:
    return f"{_text(data.get('attempt'))}: {_text(data.get('why'))}".rstrip(": ")


def policy(data: Data) -> str:
    number = (data.get("new") or {}).get("version")
    return f"version {number} is in force" if number else "another place or switch"


def proposal(data: Data) -> str:
    return " ".join(map(_text, data.get("loosens") or []))


def producer(data: Data) -> str:
    new = data.get("new") or {}
    kinds = {"trusted_for_ml": "ML", "trusted_for_wargaming": "wargaming"}
    trusted = [word for name, word in kinds.items() if new.get(name)]
    words = f"trusted for {' and '.join(trusted)}" if trusted else "trusted for no evidence"
    return words if data.get("old") else f"added, {words}"


def token(data: Data) -> str:
    return f"{_plain(data.get('kind'))} token{' of ' + data['producer'] if data.get('producer') else ''}".strip()


def endpoint(data: Data) -> str:
    changed = f": {', '.join(data['changed'])}" if data.get("changed") else ""
    return f"{_text(data.get('host'))}, for a {_text(data.get('audience'))}{changed}"


def replayed(data: Data) -> str:
    number = data.get("deliveries", 0)
    return f"{number:,} deliver{'y' if number == 1 else 'ies'}"


def user(data: Data) -> str:
    if not data.get("old"):
        return "added"
    old, new = data["old"], data.get("new") or {}
    changed = {*(name for name in new if new[name] != old.get(name)), *data.get("fields", [])}
    return f"changed: {', '.join(sorted(_plain(name) for name in changed))}" if changed else ""


def chat(data: Data) -> str:
    return f"user {data['slack_user']}" if data.get("slack_user") else ""


def account(data: Data) -> str:
    return ", ".join(map(_text, data.get("changes") or []))


def group(data: Data) -> str:
    return "what it may do changed" if data.get("old") else "added"


def bypass(data: Data) -> str:
    """For whom, for what, and for how long or until when."""
    package = data.get("package") or {}
    what = f"package {package['name']}" if package.get("name") else "one patch"
    end = data.get("ends_at")
    until = f"until {_text(end)[:16].replace('T', ' ')} UTC" if end else f"for {data.get('seconds', 0):,} s"
    return f"{data.get('holder', '')} for {what}, {until}"


def bypass_used(data: Data) -> str:
    lacking = data.get("lacking")
    missing = f"without {', '.join(lacking)}" if isinstance(lacking, list) else ""
    return f"approved {data.get('decision', '')} alone, {missing}".rstrip(", ")


def bypass_reviewed(data: Data) -> str:
    return f"{'justified' if data.get('justified') else 'not justified'}: {data.get('decision', '')}"


def export(data: Data) -> str:
    filters = data.get("filters") or {}
    narrowed = ", ".join(f"{_plain(name)} {value}" for name, value in filters.items() if value)
    narrowed = narrowed or ", ".join(map(_plain, data.get("narrowed_by") or []))  # what they were is erased
    return f"narrowed to {narrowed}" if narrowed else "without filters"


def kev(data: Data) -> str:
    return f"{data.get('new', 0)} new, {data.get('raised', 0)} waiting patches raised"


def restored(data: Data) -> str:
    return f"as of {data.get('made_at', '')}, with {data.get('places', 0)} places of the log"


METHODS = {"password": "password", "mfa": "second factor", "socialaccount": "single sign-on"}


def methods(data: Data) -> str:
    used = data.get("methods")
    return ", ".join(METHODS.get(_text(one), _text(one)) for one in used) if isinstance(used, list) else ""


def _confirming(data: Data) -> str:
    return "by somebody whose password or session was right" if data.get("confirming") else ""


def failed(data: Data) -> str:
    if "tries" not in data:
        return _confirming(data)
    tries, by = data["tries"], _text(data.get("counted_by"))
    words = REFUSED.get(by, "from many addresses, that named no account")
    return f"{tries:,} further {'try' if tries == 1 else 'tries'} {words}"


REFUSED = {"account": "at this account", "address": "from this address, that named no account"}
LIMITS = {
    "at": "one name from one address",
    "address": "one address",
    "name": "one name from many addresses",
    "rest": "many names from many addresses",
}


def locked(data: Data) -> str:
    tries = data.get("tries", 1)
    words = LIMITS.get(_text(data.get("counted_by")), "one account")
    return f"{tries:,} {'try' if tries == 1 else 'tries'} of {words}, {_text(data.get('kind'))}"


def why(data: Data) -> str:
    return _text(data.get("why"))


def change(data: Data) -> str:
    return _text(data.get("change"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _plain(value: Any) -> str:
    return _text(value).replace("_", " ")
