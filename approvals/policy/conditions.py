"""Policy conditions in CEL: what they may say, compiled once, evaluated fail-closed. Pure."""

import math
import re
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import cel

from approvals.models import PatchKind, RiskLevel, Severity, Strategy, Wargaming

MAX_LENGTH = 1_000
MAX_DEPTH = 20
WALK = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*(\w*)")
# Raw text first: a backslash escapes nothing in it. What a quote opens and nothing closes is left standing.
TEXT = re.compile(
    r"""(?:[rR][bB]?|[bB][rR])(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"[^"\n]*"|'[^'\n]*')"""
    r"""|\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
)
MATCHES = re.compile(r"\bmatches\b(?:\s*\(\s*\"(\d+)\"\s*\))?")
"""A call of `matches` with its pattern written out, once each text is replaced by its number."""
PLAIN_PATTERN = re.compile(r"(?:[ -\[\]-z|}~]|\{\d+(?:,\d*)?\}|\\[wWdDsSbB]|\\[!-/:-@\[-`{-~])*")
CLASS = re.compile(r"\\[wWdDsSbB]|\[\^")
REPETITION = re.compile(r"\{(\d+),?(\d*)\}")
MAX_WEIGHT = 600
CLASS_WEIGHT = 60
"""The library reads a pattern anew at each evaluation, some 4 microseconds for a character and 250 for a class such as
`\\w`, which has every letter of Unicode; a counted repetition is written out."""
FUNCTIONS = {
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "double",
    "string",
}
"""What a condition may call. The library offers more, such as a list of any length."""

FACTS: dict[str, Any] = {
    "priority": "critical",
    "severity": "high",
    "cvss": 7.5,
    "kev": False,
    "confidence": 0.9,
    "prediction": True,
    "wargaming": "passed",
    "risk_level": "low",
    "strategy": "version_bump",
    "ecosystem": "pypi",
    "package_name": "django",  # `package` is a reserved word of CEL
    "repository": "https://example.org/repo",
    "language": "python",
    "producer": "patchgen",
    "kind": "patch",
    "cve_ids": ["CVE-2024-9999"],
    "cwe_ids": ["CWE-89"],
    "files": 1,
    "additions": 1,
    "deletions": 1,
    "manual_review": False,
    "unambiguous": True,
    "marks": ["network"],
}
"""Every fact a condition may name, with a sample value. Absent facts are null."""


ABSENT = {
    "cvss",
    "confidence",
    "prediction",
    "risk_level",
    "strategy",
    "ecosystem",
    "package_name",
    "repository",
    "language",
}
"""Facts that may be null. What is absent meets no condition, not even `does not equal`."""

WORDS: dict[str, tuple[str, ...]] = {
    "priority": ("low", "medium", "high", "critical"),
    "severity": tuple(Severity.values),
    "wargaming": tuple(Wargaming.values),
    "risk_level": tuple(RiskLevel.values),
    "strategy": tuple(Strategy.values),
    "kind": tuple(PatchKind.values),
}
"""Facts that are one of a few words, spelt exactly so."""


def _samples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what patches can be like, in words and as facts: a condition must say true or false of each."""
    yield "a patch that has every fact", {}
    yield "a patch of which nothing optional was sent", dict.fromkeys(ABSENT)
    yield "a known exploited patch", {"kev": True}
    yield "a known exploited patch of which nothing optional was sent", {"kev": True, **dict.fromkeys(ABSENT)}
    for name, words in WORDS.items():
        for word in words:
            yield f"a patch whose {name} is {word}", {name: word}
    for name in sorted(ABSENT):
        yield f"a patch without {name}", {name: None}
    for number in (0, 9, 9.8, 10):  # JSON has whole and broken numbers
        yield f"a patch whose cvss is {number}", {"cvss": number}
    for number in (0, 0.5, 1):
        yield f"a patch whose confidence is {number}", {"confidence": number}
    for name in ("prediction", "manual_review", "unambiguous", "kev"):
        for value in (True, False):
            yield f"a patch whose {name} is {str(value).lower()}", {name: value}
    for name in ("files", "additions", "deletions"):
        yield f"a patch with {name} 0", {name: 0}
    yield "a patch without CVE, weakness or mark", {"cve_ids": [], "cwe_ids": [], "marks": []}
    worst = {"priority": "critical", "severity": "critical", "kev": True, "cvss": 10, "confidence": 1}
    yield "a critical and known exploited patch", worst


class BadCondition(ValueError):
    """A condition that must not be saved; the message is for the person who wrote it."""


def check(text: str) -> None:
    """Raise BadCondition unless `text` is a boolean CEL condition over FACTS within the limits."""
    if not text.strip():
        raise BadCondition("Write a condition; `true` matches every patch.")
    walk = _within_limits(text)
    try:
        program = cel.compile(text)
    except Exception as error:  # the library raises many kinds; each means that the text is not usable
        raise BadCondition(f"This condition cannot be read: {error}") from error
    # Names are checked before values: `false && nonsense` would hide a misspelt one.
    if unknown := set(program.variables()) - FACTS.keys() - walk:
        raise BadCondition(f"There is no fact {', '.join(sorted(unknown))}.")
    if unknown := {name for name in program.functions() if name[0].isalpha()} - FUNCTIONS:
        raise BadCondition(f"A condition cannot call {', '.join(sorted(unknown))}.")
    _refuse_unknown_words(text)
    for sample, changes in _samples():
        try:
            result = program.execute(FACTS | changes)
        except Exception as error:
            raise BadCondition(
                f"This condition cannot be evaluated for {sample}: {error}. Ask first for what may be absent, as in "
                "`cvss != null && cvss >= 9.0`."
            ) from error
        if result is not True and result is not False:
            raise BadCondition("A condition must say true or false.")


def _refuse_unknown_words(text: str) -> None:
    """Raise BadCondition for a comparison with a word that the fact never has: it could never hold."""
    for name, words in WORDS.items():
        for match in re.finditer(rf"(?<![\w.]){name}\s*==\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")", text):
            word = match[1] if match[1] is not None else match[2]
            if word not in words:
                raise BadCondition(f"{name} is never '{word}': it is one of {', '.join(words)}.")


def cel_context(facts: dict[str, Any]) -> Any:
    """Return the facts as the library holds them, to ask many conditions of one patch.

    Handing the facts over costs far more than a condition: do it once, however many policies there are.
    """
    return cel.Context(variables=facts)


def holds(text: str, facts: Any) -> bool:
    """Return whether the condition is true of the facts, prepared or plain; any error counts as 'does not hold'."""
    try:
        return compiled(text).execute(facts) is True
    except Exception:  # fail closed: an unevaluable condition never matches
        return False


def held_in_time(text: str, cases: Iterable[dict[str, Any]], seconds: float) -> Iterator[bool]:
    """Yield whether the condition is true of one case after the other, until this much processor time is spent."""
    end = time.thread_time() + seconds
    for facts in cases:
        if time.thread_time() > end:
            return
        yield holds(text, facts)


@lru_cache(maxsize=512)
def compiled(text: str) -> Any:
    _within_limits(text)
    return cel.compile(text)


def _within_limits(text: str) -> set[str]:
    """Return the names that walks over lists bind. Raise BadCondition for what could end or stop the process.

    Deep nesting overflows the C stack of the CEL library, and each walk within a walk over a list of 100 multiplies
    the time by 100 with the interpreter lock held.
    """
    if len(text) > MAX_LENGTH:
        raise BadCondition(f"A condition may have {MAX_LENGTH:,} characters.")
    code = TEXT.sub("", text)
    if "'" in code or '"' in code:
        raise BadCondition("A quote is not closed.")
    if "//" in code:
        raise BadCondition("Comments are not allowed here; the log keeps who changed what.")
    if _depth(code) > MAX_DEPTH:
        raise BadCondition(f"Brackets may be nested {MAX_DEPTH} deep.")
    walks = WALK.findall(code)
    if len(walks) > 1:
        raise BadCondition("A condition may use one of all, exists, exists_one, map and filter, once.")
    if sum(map(_weight, _patterns(text))) > MAX_WEIGHT:
        raise BadCondition(
            f"The patterns of `matches` may have {MAX_WEIGHT} characters in all, where a class such as \\w or [^a] "
            f"counts {CLASS_WEIGHT} more and {{4}} makes the whole pattern count four times."
        )
    return set(walks)


def _patterns(text: str) -> Iterator[str]:
    """Yield the patterns that a condition matches by. Raise BadCondition for one that is not written out."""
    texts: list[str] = []

    def number_of(match: re.Match[str]) -> str:
        texts.append(match[0])
        return f'"{len(texts) - 1}"'

    for call in MATCHES.finditer(TEXT.sub(number_of, text)):
        if call[1] is None:
            raise BadCondition("`matches` takes a pattern in quotes, as in `producer.matches('^patch')`.")
        yield _read(texts[int(call[1])])


def _read(literal: str) -> str:
    """Return the pattern that a text in quotes is, its escapes undone by who will read it. Raise BadCondition."""
    try:
        pattern = cel.compile(literal).execute({})
    except Exception as error:  # as in `check`
        raise BadCondition(f"The pattern {literal} cannot be read: {error}") from error
    if not isinstance(pattern, str) or not PLAIN_PATTERN.fullmatch(pattern):
        raise BadCondition(
            f"The pattern {literal} has more than `matches` takes: ASCII characters, repetitions such as {{2}} or "
            "{2,5}, and a backslash before a sign or one of w, W, d, D, s, S, b and B."
        )
    return pattern


def _weight(pattern: str) -> int:
    """Return how many plain characters a pattern is as costly as; counted repetitions may be nested."""
    repeated = math.prod(max(1, *(int(number) for number in pair if number)) for pair in REPETITION.findall(pattern))
    return (len(pattern) + CLASS_WEIGHT * len(CLASS.findall(pattern))) * repeated


def _depth(code: str) -> int:
    depth = deepest = 0
    for char in code:
        depth = max(0, depth + (char in "([{") - (char in ")]}"))
        deepest = max(deepest, depth)
    return deepest
