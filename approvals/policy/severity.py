"""How severe a patch is and how soon it must be decided. Pure."""

import re
from collections.abc import Iterable

from approvals.models import Priority, Severity

from .vulnerability import plain

RANK = {Severity.UNKNOWN: 0, Severity.LOW: 1, Severity.MEDIUM: 2, Severity.HIGH: 3, Severity.CRITICAL: 4}

WORDS = {
    **{str(severity): severity for severity in RANK},
    "none": Severity.UNKNOWN,  # no rating; CVSS has the word for 0.0, which says nothing of a patch either
    "unspecified": Severity.UNKNOWN,
    "unassigned": Severity.UNKNOWN,
    "untriaged": Severity.UNKNOWN,
    "not yet assigned": Severity.UNKNOWN,
    "info": Severity.LOW,
    "informational": Severity.LOW,
    "information": Severity.LOW,
    "note": Severity.LOW,
    "negligible": Severity.LOW,
    "unimportant": Severity.LOW,
    "minimal": Severity.LOW,
    "minor": Severity.LOW,
    "trivial": Severity.LOW,
    "moderate": Severity.MEDIUM,
    "warning": Severity.MEDIUM,
    "important": Severity.HIGH,
    "serious": Severity.HIGH,
    "major": Severity.HIGH,
    "error": Severity.HIGH,
    "blocker": Severity.CRITICAL,
    "severe": Severity.CRITICAL,
    "urgent": Severity.CRITICAL,
    "emergency": Severity.CRITICAL,
}
"""Words of distributions, registries and scanners for a severity, in lower case; a doubtful one counts as the worse."""

SEPARATOR = re.compile(r"[-_]+")


def severity_of(word: str) -> Severity | None:
    """Return what a word of the field means, in any case, with blanks, dashes or underscores; None for a word that we
    do not know."""
    return WORDS.get(" ".join(SEPARATOR.sub(" ", plain(word)).lower().split()))


def cvss_band(score: float | None) -> Severity:
    """Return the qualitative band of a CVSS score 0..10 (FIRST, CVSS 3.1 section 5); unknown for none and for 0."""
    if not score:
        return Severity.UNKNOWN
    for floor, band in ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM)):
        if score >= floor:
            return band
    return Severity.LOW


def effective_severity(stated: Severity, score: float | None, earlier: Iterable[Severity] = ()) -> Severity:
    """Return the highest of what the producer states, the CVSS band and earlier patches of the same CVE."""
    return max([stated, cvss_band(score), *earlier], key=RANK.__getitem__)


def priority(severity: Severity, *, known_exploited: bool, requested: str | None = None) -> Priority:
    """Return the queue's priority: unknown waits as medium; KEV makes it at least high, and critical when
    the severity is high or unknown; a producer may ask for higher, never for lower."""
    derived = Priority.MEDIUM if severity == Severity.UNKNOWN else Priority(RANK[severity])
    if known_exploited:
        derived = Priority.CRITICAL if severity in {Severity.HIGH, Severity.UNKNOWN} else max(derived, Priority.HIGH)
    return max(derived, Priority[requested.upper()]) if requested else derived
