"""The base score of CVSS vectors as they are written in the field. Pure; FIRST's specifications 2.0, 3.0, 3.1, 4.0."""

import re

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from .vulnerability import plain

LONGEST = 2_000
VECTOR = re.compile(
    r"(?:CVSS(?:V?\s*:?\s*)(?P<version>[234](?:\.\d)?)\s*[/#:]\s*)?"
    r"(?<![A-Z])(?P<metrics>[A-Z]{1,3}:[A-Z]{1,6}(?:/[A-Z]{1,3}:[A-Z]{1,6})+)"
)
# What stands between two metrics, a slash or not; `AV` begins a vector of its own.
BETWEEN = re.compile(r"(?<=[A-Z])\s?[/,;|\s]\s?(?=(?!AV:)[A-Z]{1,3}:[A-Z])")
BASE = {
    "2": ["AV", "AC", "Au", "C", "I", "A"],
    "3": ["AV", "AC", "PR", "UI", "S", "C", "I", "A"],
    "4": ["AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"],
}
TOLERANCE = 0.05


def base_score(text: str) -> float | None:
    """Return the highest base score, 0 to 10, of the vectors in a text; None where no vector can be read.

    Temporal, threat and environmental metrics do not change it: they are left out before the score is reckoned.
    """
    found = VECTOR.finditer(BETWEEN.sub("/", plain(text[:LONGEST])))
    scores = [score for one in found if (score := _score(one["version"] or "", one["metrics"])) is not None]
    return max(scores, default=None)


def contradicts(score: float, base: float) -> bool:
    """Return whether a score that was sent differs from that of the vector beside it."""
    return abs(score - base) > TOLERANCE


def _score(version: str, metrics: str) -> float | None:
    values: dict[str, str] = {}
    for metric in metrics.split("/"):
        name, value = metric.split(":")
        if values.setdefault(name, value) != value:
            return None  # a metric that says two things says nothing
    major = version[:1] or _major(values)
    named = {name: values[name.upper()] for name in BASE[major] if name.upper() in values}
    vector = "/".join(f"{name}:{value}" for name, value in named.items())
    try:
        if major == "2":
            return float(CVSS2(vector).base_score)
        if major == "4":
            return float(CVSS4(f"CVSS:4.0/{vector}").base_score)
        return float(CVSS3(f"CVSS:{'3.0' if version == '3.0' else '3.1'}/{vector}").base_score)
    except CVSSError:
        return None


def _major(values: dict[str, str]) -> str:
    """Return the version of a vector that does not say it, by metrics that only one version has."""
    if "VC" in values:
        return "4"
    return "2" if "AU" in values else "3"
