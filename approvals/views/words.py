"""The words of a patch that belong to no file, and the headers of its files, shaped for the page. Nothing is lost here:
what does not fit is behind an address, as is the whole patch."""

from dataclasses import dataclass
from typing import Any

from approvals.diff.excerpts import HEAD_LINES, excerpt, is_stray, lines_in
from approvals.diff.structure import Diff, File, Text

MOST_WORDS = 60  # stretches of words on a page; further ones are links
MARKUP = 200_000  # characters of markup that all words of a page may have
HEAD = 12_000  # of these, for the lines of one that stand open
LONGEST_NAME = 80  # characters of a file's name in a link
HEADER = 3_000  # for the header of a file


@dataclass(slots=True)
class Words:
    """Shapes the words of one page and stops unfolding them when they have become large enough."""

    left: int = MARKUP
    shown: int = 0

    def of(self, number: int, text: Text, title: str, *, quiet: bool = False) -> dict[str, Any] | None:
        """Return a stretch of words, the chunk of a number; None where it is only a link. Quiet ones stay folded."""
        if self.shown >= MOST_WORDS or self.left <= 0:
            return None
        self.shown += 1
        data = text.to_bytes()
        head = excerpt(data, lines=HEAD_LINES, largest=HEAD)
        self.left -= len(head.html)
        rest = excerpt(data, head.next, largest=min(self.left, 48_000)) if head.next and self.left > 0 else None
        self.left -= len(rest.html) if rest else 0
        return {
            "part": f"words-{number}",
            "title": title,
            "quiet": quiet or not data.strip(),
            "lines": lines_in(data),
            "head": head,
            "rest": rest,
        }


def parts(diff: Diff, files: dict[str, Any], most_links: int) -> dict[str, Any]:
    """Return the words before the first file, the files with the words among them, and links to what is left.

    `files` are the shown ones by key. Where even the links are too many, the whole patch as sent has the rest.
    """
    words = Words()
    message: list[dict[str, Any]] = []
    among: list[dict[str, Any]] = []
    links: list[tuple[str, str, bool]] = []
    met = False
    for number, chunk in enumerate(diff.chunks):
        if isinstance(chunk, File):
            met = True
            if chunk.key in files:
                among.append({"file": files[chunk.key]})
                continue
            links.append((chunk.key, _short(chunk.path), True))
        elif not links and (item := words.of(number, chunk, _title(chunk, met), quiet=chunk.kind == "footer")):
            (among if met else message).append({"words": item})
        else:
            links.append((f"words-{number}", f"Words from line {chunk.line:,} on", False))
    return {
        "message": message,
        "parts": among,
        "more": [{"part": part, "name": name, "file": file} for part, name, file in links[:most_links]],
        "more_count": len(links),
        "more_of": "file" if all(file for *_, file in links) else "part",
        "unlisted": max(0, len(links) - most_links),
        "sent": excerpt(diff.sent.to_bytes(), largest=HEAD) if diff.sent else None,
    }


def _short(path: str) -> str:
    return path if len(path) <= LONGEST_NAME else f"{path[:LONGEST_NAME]}…"


def header(file: File) -> dict[str, Any]:
    """Return the header of a file as it was sent; `stray` where a line of it is said nowhere else."""
    data = b"".join(file.header_lines)
    return {"excerpt": excerpt(data, lines=HEAD_LINES, largest=HEADER), "stray": any(map(is_stray, file.header_lines))}


def _title(text: Text, after_file: bool) -> str:
    if text.kind == "raw":
        return "The patch as it was sent"
    if not after_file:
        return "Words before the first file"
    return {"mail": "Another mail", "footer": "Words after the file"}.get(text.kind, "Words between files")
