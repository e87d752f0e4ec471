"""Colours for the lines of a file, by Pygments and by file name only. Draws nothing, never guesses from content.

Hunks are coloured one by one, old and new side each as a text of its own: what lies between hunks is not in the
patch, and deleted lines mixed into added ones would upset the lexer.
"""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from pygments.lexer import Lexer
from pygments.lexers import get_all_lexers, get_lexer_for_filename
from pygments.token import STANDARD_TYPES, _TokenType
from pygments.util import ClassNotFound

from approvals.diff.structure import File, Line

Piece = tuple[str, str]  # CSS class, empty for none, and text

LONGEST_LINE = 2_000  # characters
LARGEST_FILE = 200_000  # bytes of patch
SECONDS_A_FILE = 1.0
MOST_BLANK_LINES = 100  # in a row: the C++ lexer takes seconds for thousands, in one step that no clock interrupts
# Pygments knows some 500 languages, and a hostile patch chooses among them by a file name: one takes 16 s for 1,500
# characters. These were measured on text made to be slow and stay below 0.3 s a step. By Pygments' aliases.
LANGUAGES = frozenset(
    ("c", "cpp", "objective-c", "cython", "d", "rust", "go", "zig", "swift", "nasm", "gas", "glsl", "cuda", "fortran")
    + ("python", "ruby", "perl", "php", "lua", "tcl", "r", "julia", "awk", "vim", "bash", "powershell", "batch")
    + ("java", "kotlin", "scala", "groovy", "clojure", "csharp", "fsharp", "dart", "vala", "pascal", "ada", "elixir")
    + ("javascript", "typescript", "coffeescript", "vue", "html", "css", "scss", "less", "erb", "jinja", "html+django")
    + ("xml", "dtd", "json", "yaml", "toml", "ini", "properties", "sql", "graphql", "protobuf", "thrift", "terraform")
    + ("make", "cmake", "meson", "docker", "nix", "bitbake", "puppet", "kconfig", "systemd", "nginx", "apacheconf")
    + (
        "diff",
        "md",
        "rst",
        "tex",
        "bibtex",
        "groff",
        "haskell",
        "ocaml",
        "erlang",
        "scheme",
        "common-lisp",
        "emacs-lisp",
    )
    + ("verilog", "systemverilog", "vhdl")
)
# The classes `static/css/diff.css` has a colour for. Others would only make the page larger.
STYLED = frozenset(
    ("k", "kd", "kn", "kc", "kr", "ow", "kp", "kt", "nc", "nn", "ne", "nb", "bp", "nf", "fm", "na")
    + ("s", "s1", "s2", "sc", "se", "sr", "sa", "sd", "si", "m", "mi", "mf", "mh", "no", "il")
    + ("c", "c1", "cm", "cp", "cpf", "ch", "nd", "nt", "cs")
)
# Names that a lexer has as a whole, such as Makefile. Of all other names lexers ask for what follows the first dot.
_WHOLE_NAMES = re.compile(
    "|".join(translate(name) for _, _, names, _ in get_all_lexers(plugins=False) for name in names if name[:2] != "*.")
)
# What lexers may raise on text that is not of their language. It costs the colours of one hunk, nothing else.
_LEXER_FAILURES = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)


class Highlighter:
    """Colours the hunks of one file, until the file has cost enough time."""

    __slots__ = ("_deadline", "_lexer")

    def __init__(self, file: File, seconds: float = SECONDS_A_FILE) -> None:
        self._lexer = None if file.size > LARGEST_FILE else lexer_for(file.path.rpartition("/")[2])
        self._deadline = time.monotonic() + seconds

    def hunk(self, lines: Sequence[Line]) -> list[list[Piece]]:
        """Return one list of pieces for each line; their texts together are the line's text."""
        result = [[("", line.text)] for line in lines]
        if self._lexer is None:
            return result
        for side in ("delete", "add"):
            chosen = [i for i, line in enumerate(lines) if line.kind in ("context", side)]
            if side == "delete" and not any(lines[i].kind == "delete" for i in chosen):
                continue
            for i, pieces in zip(chosen, self._pieces([lines[i].text for i in chosen]), strict=False):
                result[i] = pieces
        return result

    def _pieces(self, texts: list[str]) -> list[list[Piece]]:
        """Colour lines as one text; lines too long for that go through as empty ones and stay plain."""
        if any(blank and len(list(run)) > MOST_BLANK_LINES for blank, run in groupby(texts, key=_is_blank)):
            return []
        text = "".join(f"{line}\n" if len(line) <= LONGEST_LINE else "\n" for line in texts)
        try:
            coloured = _lines(self._tokens(text))
        except _LEXER_FAILURES:
            return []
        return [
            pieces if "".join(part for _, part in pieces) == line else [("", line)]
            for line, pieces in zip(texts, coloured, strict=False)
        ]

    def _tokens(self, text: str) -> Iterator[Piece]:
        """Return what the lexer finds until time is up: some lexers take quadratic time on text made for that.

        Not get_tokens(): it turns CR into LF and drops a BOM, and then lines no longer match.
        """
        if self._lexer is None:
            return
        for _, kind, value in self._lexer.get_tokens_unprocessed(text):
            if time.monotonic() > self._deadline:
                return
            yield _css(kind), value


def lexer_for(name: str) -> Lexer | None:
    """Return the lexer for a file name (without folders), or None where there is none or none that is safe."""
    name = name[-255:]
    return _lexer_for(name if _WHOLE_NAMES.match(name) else f"x{''.join(name.partition('.')[1:])}")


@lru_cache(maxsize=512)
def _lexer_for(name: str) -> Lexer | None:
    try:
        lexer = get_lexer_for_filename(name)
    except ClassNotFound:
        return None
    return lexer if LANGUAGES.intersection(lexer.aliases) else None


def _is_blank(line: str) -> bool:
    return not line.strip() or len(line) > LONGEST_LINE


@lru_cache(maxsize=1024)
def _css(kind: _TokenType) -> str:
    """Return the styled short class nearest to a token type."""
    while kind.parent is not None:
        if STANDARD_TYPES.get(kind, "") in STYLED:
            return STANDARD_TYPES[kind]
        kind = kind.parent
    return ""


def _lines(tokens: Iterable[Piece]) -> list[list[Piece]]:
    """Cut tokens at line ends and join neighbours of one class."""
    lines: list[list[Piece]] = [[]]
    for css, run in groupby(tokens, key=itemgetter(0)):
        first, *more = "".join(value for _, value in run).split("\n")
        if first:
            lines[-1].append((css, first))
        lines.extend([(css, part)] if part else [] for part in more)
    return lines
