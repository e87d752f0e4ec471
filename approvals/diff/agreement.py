"""Where GNU patch, git apply and the page disagree about what a patch changes. Compares readings, reads no patch."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from approvals.diff.git_apply import GitReading
from approvals.diff.gnu_patch import PatchReading, Section
from approvals.diff.notices import counted, shortened
from approvals.diff.paths import shown, split_stamp
from approvals.diff.source import Source
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, File, Hunk

Finding = tuple[str, str, str | None, int]
"""Code, sentence, path (None where it is about no file shown), line counted from 1."""

AMBIGUOUS: Final = frozenset(
    (
        *("binary-absent", "budget", "byte-order-mark", "colours", "combined-diff", "context-diff", "crlf-headers"),
        *(
            "cut-off",
            "empty",
            "encoded-differs",
            "mail-crlf",
            "foreign-line",
            "git-reads-more",
            "git-refuses",
        ),
        *(
            "half-header",
            "hunk-counts",
            "hunk-left-out",
            "hunk-numbers",
            "hunk-order",
            "hunk-shift",
            "hunk-tail",
            "joined-line",
        ),
        *(
            "name-blank",
            "name-mismatch",
            "names-differ",
            "no-files",
            "no-hunks",
            "no-name",
            "only-in",
            "only-patch",
            "own-folder",
        ),
        *("patch-reads-more", "patch-stops", "property", "submodule-log", "text-in-file", "utf-16", "word-diff"),
        *(
            "attributes",
            "odd-mail",
            "copy-order",
            "epoch-stamp",
            "mode-lines",
            "no-prefix",
            "note-place",
            "odd-name",
            "order-counts",
            "stray-header",
        ),
        *("version-word", "zero-context"),
    )
)
"""Warnings after which common tools need not make the same change of a patch."""

_LEFT_BEHIND: Final = re.compile(r"(?:\.orig|\.rej|\.~\d+~)\Z")
"""How the names end of what GNU patch writes beside a file whose hunks do not fit exactly: the old text, the hunks."""

_FORMS: Final = {
    "normal": "a normal diff",
    "ed": "an ed script, which does not show the lines it takes away,",
    "unified": "an indented diff",
    "context": "an indented diff",
}


def disagreements(
    source: Source, files: Sequence[File], names: Mapping[str, frozenset[bytes]], patch: PatchReading, git: GitReading
) -> Iterator[Finding]:
    """Say at its line what a tool reads in another way than the page shows; `names` are those in the file's header."""
    ours = {hunk.line - 1: (file, hunk) for file in files for hunk in file.hunks}
    by_patch = {begin: (section, end) for section in patch.sections for begin, end in section.hunks}
    by_git = {begin: end for file in git.files for begin, end in file.hunks}
    if patch.stops_at is not None:
        words = "GNU patch stops with an error at this line, after it applied what stands above."
        yield "patch-stops", words, None, patch.stops_at + 1
    if git.refused_at is not None:
        yield "git-refuses", f"git apply refuses the whole patch at this line: {git.why}.", None, git.refused_at + 1
    for begin, (file, hunk) in ours.items():
        source.check_budget()
        if hunk.form != "combined":
            yield from _about_hunk(source, file, hunk, by_patch.get(begin), by_git.get(begin), patch, git)
    for begin, (section, _) in by_patch.items():
        source.check_budget()
        if begin not in ours:
            words = f"GNU patch reads a change to {_listed(section)} here, which is not shown as one."
            yield "patch-reads-more", words, None, begin + 1
        elif begin == section.hunks[0][0]:
            yield from _about_names(ours[begin][0], names, section)
    heads = {file.line - 1 + place: file for file in files for place in range(len(file.header_lines))}
    for section in patch.sections:
        if section.kind == "header" and section.header in heads:
            yield from _about_names(heads[section.header], names, section)
        for at in section.heads:
            if at not in heads and source.lines[at].strip(b" \tX\n-+*"):  # a name, or a CR
                words = "GNU patch takes this line for the header of a change, and it stands in none; git passes over."
                yield "stray-header", words, None, at + 1
    yield from _more_by_git(heads, ours, git)
    for file in files:
        yield from _about_places(file)
    yield from _about_depth(files)
    yield from _about_folders(files)
    yield from _about_attributes(files)
    yield from _about_order(files)
    yield from _about_ends(files)


def _about_order(files: Sequence[File]) -> Iterator[Finding]:
    """Say where a file is moved or copied and changed elsewhere, comes or goes twice or is changed twice alike, and
    where GNU patch takes the header of the file before for this one's."""
    changed = Counter(path for file in files for path in {file.old_path, file.new_path} if path)
    there: dict[str, bool] = {}
    made: set[str] = set()
    done: set[tuple[str, bytes]] = set()
    before: File | None = None
    moved: set[str] = set()
    for file in files:
        names = {file.old_path or "", file.new_path or ""}
        for name in names:
            if (written := _LEFT_BEHIND.sub("", name)) not in names and changed[written]:
                words = f"GNU patch may write the old text of {shortened(written)} over this file: the order counts."
                yield "order-counts", words, file.path, file.line
        if file.change in ("copied", "renamed") and changed[file.old_path or ""] > 1:
            name = shortened(file.old_path or "")
            words = f"{name} is moved or copied, and changed elsewhere in this patch: the order counts."
            yield "copy-order", words, file.path, file.line
        needs = None if file.change == "added" else file.old_path
        makes = None if file.change == "deleted" else file.new_path
        again = changed[file.path] > 1 and (file.path, _changes(file)) in done
        goes = needs if file.change in ("renamed", "deleted") else None
        if (
            again
            or (needs and not there.get(needs, True))
            or (makes and makes != needs and makes in there and (there[makes] or not _has_git_header(file)))
            or goes in made
            or needs in moved
        ):
            words = f"{shortened(file.path)} comes, goes or is changed twice in this patch: tools differ there."
            yield "order-counts", words, file.path, file.line
        if before and not (before.hunks or before.binary) and _has_git_header(before) and not _has_git_header(file):
            words = f"GNU patch takes the header of {shortened(before.path)} for one of this file, git does not."
            yield "order-counts", words, file.path, file.line
        done.add((file.path, _changes(file) if changed[file.path] > 1 else b""))
        if goes:
            there[goes] = False
        if makes:
            there[makes] = True
        if makes:
            made.add(makes)
        if makes and file.change in ("renamed", "copied"):
            moved.add(makes)  # GNU patch puts it there at the very end
        before = file


def _about_ends(files: Sequence[File]) -> Iterator[Finding]:
    """Say where a hunk ends its file by git's reading, for no unchanged line stands below, and the patch itself shows
    elsewhere that the file goes on."""
    reach: dict[str | None, int] = {}  # the last line that is known of a file, as the parts before leave it
    ends: dict[str | None, int] = {}  # and the one that must be its last
    for file in files:
        if not file.hunks or any(None in (h.old_start, h.old_count, h.new_start, h.new_count) for h in file.hunks):
            continue
        last, grown = file.hunks[-1], sum((h.new_count or 0) - (h.old_count or 0) for h in file.hunks)
        old_end = (last.old_start or 0) + max(0, (last.old_count or 0) - 1)
        new_end = (last.new_start or 0) + max(0, (last.new_count or 0) - 1)
        known, end = reach.get(file.old_path, 0), ends.get(file.old_path, old_end)
        is_end = last.codes.translate(None, bytes((NOTE,)))[-1:] not in (bytes((CONTEXT,)), bytes((EATEN,)))
        if old_end > end or (is_end and old_end < known):
            words = f"Two parts of this patch show other ends of {shortened(file.path)}: git apply refuses one of them."
            yield "order-counts", words, file.path, last.line
        reach[file.new_path] = max(known + grown, new_end)
        if is_end or file.old_path in ends:
            ends[file.new_path] = new_end if is_end else end + grown


def _about_depth(files: Sequence[File]) -> Iterator[Finding]:
    """Say where git guesses from one plain diff of a file in no folder that no name of the patch has a prefix."""
    flat = next((file for file in files if not _has_git_header(file) and _is_flat(file)), None)
    if flat is None:
        return
    for file in files:
        if file is not flat and not _is_flat(file) and any(b"/" in name for name in _named(file)):
            words = f"{shortened(flat.path)} has no prefix and this file has one: git apply takes no folder off either."
            yield "no-prefix", words, file.path, file.line
            return


def _about_folders(files: Sequence[File]) -> Iterator[Finding]:
    """Say where one name is a file before or after the patch and a folder too."""
    names = {name: file for file in files for name in (file.old_path, file.new_path) if name}
    for name, inside in pairwise(sorted(names, key=_by_folder)):
        if inside.startswith(f"{name}/"):
            file = names[inside]
            words = f"{shortened(name)} is a file and a folder here: GNU patch refuses one of them, git does not."
            yield "order-counts", words, file.path, file.line


def _about_attributes(files: Sequence[File]) -> Iterator[Finding]:
    """Say where a patch changes what git is told of its other files: line endings, character sets, filters."""
    names = {name: file for file in files for name in (file.old_path, file.new_path) if name}
    ordered = sorted(names)
    for path, file in names.items():
        folder, slash, last = path.rpartition("/")
        if last.lower() != ".gitattributes":
            continue
        first = bisect_left(ordered, folder + slash)
        there = ordered[first : first + 2]  # one is its own name
        if len(there) > 1 and there[1].startswith(folder + slash):
            words = f"{shortened(path)} tells git how to write other files: git apply and git am may write them with"
            yield "attributes", f"{words} other line ends or in another form, GNU patch does not.", file.path, file.line


def _by_folder(name: str) -> str:
    """Return a key by which what stands in a folder comes right after the folder."""
    return name.replace("/", "\0")


def _named(file: File) -> list[bytes]:
    """Return what stands after `---` and `+++` in the header of a file, but for the null device."""
    lines = (line[4:] for line in file.header_lines if line.startswith((b"--- ", b"+++ ")))
    return [name for name in lines if not name.startswith(b"/dev/null")]


def _is_flat(file: File) -> bool:
    """Tell whether a file is named and no name of it has a folder, a prefix neither."""
    names = _named(file)
    return bool(names) and not any(b"/" in split_stamp(name)[0] for name in names)


def _changes(file: File) -> bytes:
    return b"".join(raw for hunk in file.hunks for raw, code in hunk.coded_lines if code in (ADD, DELETE))


def _has_git_header(file: File) -> bool:
    return any(line.startswith(b"diff --git ") for line in file.header_lines)


def _about_hunk(
    source: Source,
    file: File,
    hunk: Hunk,
    by_patch: tuple[Section, int] | None,
    git_end: int | None,
    patch: PatchReading,
    git: GitReading,
) -> Iterator[Finding]:
    begin, name = hunk.line - 1, shortened(file.path)
    if by_patch and (by_patch[0].kind in ("normal", "ed") or by_patch[0].indent or by_patch[0].nested):
        if begin == by_patch[0].hunks[0][0]:
            form = _FORMS[by_patch[0].kind]
            words = f"GNU patch changes {name} by {form} here; git apply and git am pass over these lines."
            yield "only-patch", words, file.path, hunk.line
        if git_end is not None:
            yield "git-reads-more", "git apply reads a change here that is not shown as one.", file.path, hunk.line
        return
    left_by_patch = by_patch is None and begin != patch.stops_in and (patch.stops_at is None or begin < patch.stops_at)
    left_by_git = git_end is None and git.refused_at is None and hunk.form == "unified"
    if left_by_patch or left_by_git:
        yield "hunk-left-out", _left_out(source, hunk, left_by_patch, left_by_git, git), file.path, hunk.line
    for tool, end in (("GNU patch", by_patch and by_patch[1]), ("git apply", git_end)):
        rest = hunk.codes[max(0, end - begin - hunk.header.count(b"\n")) :] if end else b""
        if lines := rest.count(ADD) + rest.count(DELETE):
            at = hunk.first_line + len(hunk.codes) - len(rest)
            yield (
                "hunk-tail",
                f"{tool} leaves out the last {counted(lines, 'changed line')} of this hunk.",
                file.path,
                at,
            )
        if end and any(line[:1] in b"+-" for line in source.lines[hunk.first_line + len(hunk.codes) - 1 : end]):
            code = "patch-reads-more" if tool == "GNU patch" else "git-reads-more"
            words = f"{tool} reads this hunk on to line {end:,}, further than it is shown."
            yield code, words, file.path, hunk.first_line + len(hunk.codes)


def _left_out(source: Source, hunk: Hunk, by_patch: bool, by_git: bool, git: GitReading) -> str:
    if by_patch and by_git:
        return "Neither GNU patch nor git apply applies this hunk, and neither says so."
    if by_git:
        return "git apply leaves this hunk out without a word; GNU patch applies it."
    before = source.lines[hunk.line - 2].strip() if hunk.line > 1 else b"x"
    reason = "text stands" if before else "an empty line stands"
    others = "git apply refuses the whole patch" if git.refused_at is not None else "git apply applies it"
    return f"GNU patch leaves this hunk out and reports success, for {reason} before it; {others}."


def _about_names(file: File, names: Mapping[str, frozenset[bytes]], section: Section) -> Iterator[Finding]:
    said = names.get(file.key, frozenset())
    shown_names = {file.path, file.old_path, file.new_path}
    if extra := [
        name
        for name in section.names.values()
        if name not in said or shown_names.isdisjoint((shown(name), shown(name.partition(b"/")[2])))
    ]:
        words = (
            f"GNU patch reads the name {shortened(shown(extra[0]))} here, and the page shows {shortened(file.path)}."
        )
        yield "names-differ", words, file.path, section.header + 1


def _more_by_git(heads: Mapping[int, File], ours: Mapping[int, object], git: GitReading) -> Iterator[Finding]:
    for read in git.files:
        if read.other is not None and (file := heads.get(read.start)):
            words = (
                f"git apply takes the name in line {read.other + 1:,} for this file, or refuses; GNU patch does not."
            )
            yield "name-mismatch", words, file.path, read.start + 1
        if any(begin not in ours for begin, _ in read.hunks) or read.start not in heads:
            yield "git-reads-more", "git apply reads a change here that is not shown as one.", None, read.start + 1


def _about_places(file: File) -> Iterator[Finding]:
    """Say where numbers of old and new lines do not fit together, and which hunks have nothing around them."""
    delta = 0
    if file.change in ("added", "deleted") and (odd := _not_whole(file)):
        words = "A file that comes or goes is not one hunk from its first line: git apply or GNU patch refuses it."
        yield "hunk-shift", words, file.path, odd.line
    for number, hunk in enumerate(file.hunks, start=1):
        if hunk.form != "unified" or None in (hunk.old_start, hunk.new_start, hunk.old_count, hunk.new_count):
            return
        old_start, old_count = hunk.old_start or 0, hunk.old_count or 0
        new_start, new_count = hunk.new_start or 0, hunk.new_count or 0
        expected = old_start + delta + (old_count == 0) - (new_count == 0)
        if new_start != expected and file.change not in ("added", "deleted"):
            words = (
                f"GNU patch looks for this hunk at line {old_start + delta:,} of the file, git apply at {new_start:,}: "
                "in a file that has these lines twice they may change another place."
            )
            yield "hunk-shift", words, file.path, hunk.line
            return
        delta += new_count - old_count
        if file.change not in ("added", "deleted") and (words := _bare(hunk, number == len(file.hunks))):
            yield "zero-context", words, file.path, hunk.line


def _not_whole(file: File) -> Hunk | None:
    """Return the first hunk of a file that comes or goes which is not all of it, None where there is none."""
    first = 0 if file.change == "added" else 1
    return next((hunk for place, hunk in enumerate(file.hunks) if place or (hunk.old_start or 0) != first), None)


def _bare(hunk: Hunk, is_last: bool) -> str:
    """Say where a hunk lacks the unchanged lines by which git apply finds its place; '' where it has them.

    A file of one line has no other lines around it, and the last hunk may end where the file does. A hunk of no old
    lines at line 1 stands behind that line.
    """
    codes = hunk.codes.translate(None, bytes((NOTE,)))
    if not codes:
        return ""
    if is_last and hunk.old_start == 1 and not hunk.new_count:
        words = "This hunk leaves an empty file, which GNU patch removes when it is called with -E, as by quilt and"
        return f"{words} dpkg-source; git apply keeps it."
    if CONTEXT not in codes and EATEN not in codes and not (hunk.old_start == 1 and hunk.old_count and is_last):
        what = "has no unchanged line around it"
    elif codes[-1:] not in (bytes((CONTEXT,)), bytes((EATEN,))) and not is_last:
        what = "ends without an unchanged line, and the file goes on"
    else:
        return ""
    return f"This hunk {what}: git apply refuses it unless --unidiff-zero is given, GNU patch trusts its line number."


def _listed(section: Section) -> str:
    names = dict.fromkeys(shortened(shown(name)) for name in section.names.values())
    return " or ".join(names) or "a file"
