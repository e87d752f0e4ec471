"""Whether a diff has the file and the line that somebody names. Pure."""

from .structure import Diff


def wrong_place(diff: Diff, file: str, line: int | None, *, old: bool) -> tuple[str, str] | None:
    """Return the field that names what the diff has not, `file` or `line`, and the sentence about it.

    Every line that a hunk shows counts, unchanged ones too; `old` asks for a line of the old file, as deleted ones are.
    """
    if not file:
        return None if line is None else ("file", "Say which file the line is of.")
    found = [one for one in diff.files if one.path == file]
    if not found:
        return "file", f"This diff has no file {file}."
    if line is None:
        return None
    shown = [one for each in found for hunk in each.hunks for one in hunk.walk()]
    if not shown:
        return "line", f"This diff shows no lines of {file}: comment on the file without a line."
    if line in {one.old_no if old else one.new_no for one in shown}:
        return None
    side, other = ("old", "new") if old else ("new", "old")
    hint = ""
    if line in {one.new_no if old else one.old_no for one in shown}:
        hint = f' The {other} file has it: send "side": "{other}".'
    return "line", f"This diff shows no line {line} of the {side} file {file}.{hint}"
