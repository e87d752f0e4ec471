"""The words of a patch that belong to no file, and the headers of its files, shaped for the page. Nothing is lost here:
what does not fit is behind an address, as is the whole patch."""

from dataclasses import dataclass

from approvals.diff.excerpts import HEAD_LINES, excerpt, is_stray, lines_in
from approvals.diff.structure import Diff, File, Text

from .diff_shapes import FileHeader, Link, Part, Parts, ShownFile, ShownWords

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

    def of(self, number: int, text: Text, title: str, *, quiet: bool = False) -> ShownWords | None:
        """Return a stretch of words, the chunk of a number; None where it is only a link. Quiet ones stay folded."""
        if self.shown >= MOST_WORDS or self.left <= 0:
            return None
        self.shown += 1
        data = text.to_bytes()
        head = excerpt(data, lines=HEAD_LINES, largest=HEAD)
        self.left -= len(head.html)
        rest = excerpt(data, head.next, largest=min(self.left, 48_000)) if head.next and self.left > 0 else None
        self.left -= len(rest.html) if rest else 0
        return ShownWords(
            part=f"words-{number}",
            title=title,
            quiet=quiet or not data.strip(),
            lines=lines_in(data),
            head=head,
            rest=rest,
        )


def parts(diff: Diff, files: dict[str, ShownFile], most_links: int) -> Parts:
    """Return a patch in its order; `files` are the shown ones by key."""
    words = Words()
    message: list[Part] = []
    among: list[Part] = []
    links: list[Link] = []
    met = False
    for number, chunk in enumerate(diff.chunks):
        if isinstance(chunk, File):
            met = True
            if chunk.key in files:
                among.append(Part(file=files[chunk.key]))
                continue
            links.append(Link(chunk.key, _short(chunk.path), True))
        elif not links and (item := words.of(number, chunk, _title(chunk, met), quiet=chunk.kind == "footer")):
            (among if met else message).append(Part(words=item))
        else:
            links.append(Link(f"words-{number}", f"Words from line {chunk.line:,} on", False))
    return Parts(
        message=message,
        among=among,
        more=links[:most_links],
        more_count=len(links),
        more_of="file" if all(link.file for link in links) else "part",
        unlisted=max(0, len(links) - most_links),
        sent=excerpt(diff.sent.to_bytes(), largest=HEAD) if diff.sent else None,
    )


def _short(path: str) -> str:
    return path if len(path) <= LONGEST_NAME else f"{path[:LONGEST_NAME]}…"


def header(file: File) -> FileHeader:
    data = b"".join(file.header_lines)
    return FileHeader(excerpt(data, lines=HEAD_LINES, largest=HEADER), any(map(is_stray, file.header_lines)))


def _title(text: Text, after_file: bool) -> str:
    if text.kind == "raw":
        return "The patch as it was sent"
    if not after_file:
        return "Words before the first file"
    return {"mail": "Another mail", "footer": "Words after the file"}.get(text.kind, "Words between files")
