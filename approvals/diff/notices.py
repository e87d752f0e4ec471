"""Collects warnings while a patch is read and keeps their number bearable. What is odd is decided by the readers."""

from collections import Counter

from approvals.diff.structure import Warning

PER_CODE = 8  # so that a thousand wrong hunks cannot crowd out the one symlink
TOTAL = 100
NAMED_LINES = 50  # of those beyond, in a sentence
SHOWN_PATH = 200  # characters of a path quoted in a message


class Notices:
    """The warnings of one patch, in the order they were met; the list of them is capped per code and in all."""

    __slots__ = ("_met", "_seen")

    def __init__(self) -> None:
        self._met: list[Warning] = []
        self._seen: Counter[str] = Counter()

    def add(self, code: str, message: str, file: str | None = None, line: int | None = None) -> None:
        """Take a warning."""
        self._seen[code] += 1
        self._met.append(Warning(code, message, file, line))

    @property
    def codes(self) -> frozenset[str]:
        """Return the codes met."""
        return frozenset(self._seen)

    def close(self) -> tuple[tuple[Warning, ...], tuple[Warning, ...]]:
        """Return the warnings to list and those beyond that stand at their lines only, both in patch order.

        Last come entries that count those beyond and name their lines: of all codes after `TOTAL`, and of each code.
        """
        listed: list[Warning] = []
        beyond: dict[str, list[Warning]] = {}
        seen: Counter[str] = Counter()
        for warning in self._met:
            seen[warning.code] += 1
            (listed if seen[warning.code] <= PER_CODE else beyond.setdefault(warning.code, [])).append(warning)
        listed.sort(key=_place)
        rest = listed[TOTAL:]
        listed[TOTAL:] = [Warning("more", f"{len(rest):,} more warnings{_lines(rest)}.")] if rest else []
        for code, more in beyond.items():
            listed.append(Warning(code, f"{len(more):,} more of this kind ({code}){_lines(more)}."))
            rest.extend(more)
        return tuple(listed), tuple(sorted(rest, key=_place))


def _place(warning: Warning) -> int:
    return warning.line or 0


def _lines(warnings: list[Warning]) -> str:
    """Return the lines of warnings in words, each once and not too many."""
    places = sorted({warning.line for warning in warnings if warning.line})
    more = f" and {len(places) - NAMED_LINES:,} more" if len(places) > NAMED_LINES else ""
    return f": line {', '.join(f'{place:,}' for place in places[:NAMED_LINES])}{more}" if places else ""


def shortened(path: str) -> str:
    """Return a path short enough for a sentence."""
    return path if len(path) <= SHOWN_PATH else f"{path[:SHOWN_PATH]}…"


def counted(number: int, noun: str) -> str:
    """Return '1 line', '2 lines'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
