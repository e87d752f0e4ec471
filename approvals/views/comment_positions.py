"""Where comments stand in a diff: at their line, wherever a later revision has it, or nowhere."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from approvals.diff.parse import parse, unread
from approvals.diff.structure import Diff, Text, Warning
from approvals.models import Comment, Patch, PatchContent, Side

from .failures import attempted

Places = dict[tuple[str, str, int], list[Comment]]  # by path, side and line
Texts = dict[tuple[str, str], dict[int, str]]  # by path and side, then by line


def content(patch: Patch) -> bytes:
    """Return the bytes of a patch as they were sent."""
    return bytes(PatchContent.objects.get(patch=patch).diff)


def load(patch: Patch) -> Diff:
    """Return the parsed diff; reads and parses the content, so call it once a request.

    If our parser fails on a patch, all of it is text without a file: every byte is shown, and a warning says why.
    """
    data = content(patch)
    if not patch.parsed:
        return unread(data)
    return attempted(f"Reading the patch {patch.sha256}", lambda: parse(data), lambda: _failed(data))


def _failed(data: bytes) -> Diff:
    warning = Warning("unread", "Reading this patch failed, so all of it is shown as it was sent.", None, 1)
    return Diff((Text("raw", 1, (data,)),), (), (warning,), 0, 0, parsed=False, codes=frozenset({warning.code}))


def places(diff: Diff, patch: Patch, comments: Sequence[Comment]) -> Places:
    """Return the comments by the path, side and line at which they stand in this diff.

    A comment on an earlier revision stays with its line wherever that went: at the only line of that side with the same
    text, or at the nearest of several. Each earlier revision that has such comments is parsed once.
    """
    found: Places = defaultdict(list)
    now = _texts(diff, {comment.file for comment in comments if comment.file})
    before: dict[int, Texts] = {}
    for comment in comments:
        line = comment.line
        if not comment.file or line is None:
            continue
        lines = now.get((comment.file, comment.side), {})
        if comment.decision.patch_id != patch.pk:
            older = comment.decision.patch
            if older.pk not in before:
                before[older.pk] = _texts(load(older), {one.file for one in comments})
            text = before[older.pk].get((comment.file, comment.side), {}).get(line)
            same = [number for number, words in lines.items() if words == text]
            line = min(same, key=partial(_distance, line), default=-1)
        if line in lines:
            found[comment.file, comment.side, line].append(comment)
    return found


def _distance(one: int, other: int) -> int:
    return abs(one - other)


def _texts(diff: Diff, paths: set[str]) -> Texts:
    """Return the lines of some files by their numbers, each side by itself."""
    found: Texts = defaultdict(dict)
    for file in diff.files:
        for line in (line for hunk in file.hunks for line in hunk.walk()) if file.path in paths else ():
            if line.old_no is not None:
                found[file.path, Side.OLD][line.old_no] = line.text
            if line.new_no is not None:
                found[file.path, Side.NEW][line.new_no] = line.text
    return found
