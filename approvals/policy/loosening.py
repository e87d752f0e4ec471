"""What makes a policy let more through, or with less looking; such changes need a second person. Pure."""

from collections.abc import Iterator

from .term_table import TERMS, Section, Values

ORDER = (Section.COVERS, Section.PEOPLE, Section.AUTOMATIC, Section.CLOCKS)


def loosens(old: Values, new: Values, old_place: Values, new_place: Values) -> list[str]:
    """Return why a change lets more through, one sentence each; empty when it only asks for more.

    `old` and `new` are a version's terms, the places hold name, position and enabled. What covers nothing before and
    after loosens nothing. A condition or a place that changes moves patches between policies, so it always counts.
    """
    if not old_place["enabled"] and not new_place["enabled"]:
        return []
    terms = [term for section in ORDER for term in TERMS.values() if term.section == section]
    return [*_place(old_place, new_place), *(why for term in terms if (why := term.looser(old, new)))]


def _place(old: Values, new: Values) -> Iterator[str]:
    if old["enabled"] and not new["enabled"]:
        yield "It is switched off: its patches fall to the policies after it."
    if new["enabled"] and not old["enabled"]:
        yield "It is switched on: it takes patches that other policies cover now."
    elif old["position"] != new["position"]:
        yield "Its place changes: patches move between policies."
