"""Changes that GNU patch or git find where a reader looks for none: behind comments, zeros, blanks, other bytes."""

import base64
import shutil
from pathlib import Path

import pytest

from approvals.diff.canonical import canonical
from approvals.diff.interdiff import compare
from approvals.diff.parse import parse
from approvals.diff.structure import ADD, DELETE, OTHER
from approvals.diff.summary import summary
from tests.approvals.diff.test_agreement import CONTEXT, FIRST, NAMES, NORMAL, OLD, SECOND, TREE
from tests.approvals.diff.test_mail import read
from tests.approvals.diff.tools import applied, patched, run, write

pytestmark = pytest.mark.skipif(
    not shutil.which("git") or not shutil.which("patch"), reason="git or patch is not installed"
)

GIT = b"diff --git a/x b/x\n"
INDEX = b"index 1234567..89abcde 100644\n"
COMMENTS = b"# a\n#b\n#\n# c\n# d\n"
ZEROS = b"0" * 6_000
GONE = b"@@ -1,30 +0,0 @@\n" + b"".join(b"-%b\n" % line for line in OLD.splitlines())
NEW = b"@@ -0,0 +1 @@\n+y\n"
MODE = b"old mode 100644\nnew mode 100755\n"


def commented(change: bytes, at: int) -> bytes:
    """Return a change with comments before its line number `at`, counted from 0."""
    lines = change.splitlines(keepends=True)
    return b"".join([*lines[:at], COMMENTS, *lines[at:]])


ONLY_BY_PATCH = {
    **{f"comments in a hunk, {at}": (NAMES + commented(FIRST, at), "x") for at in range(1, 5)},
    **{
        f"comments in a context diff, {at}": (b"*** a/x\n--- b/x\n" + commented(CONTEXT, at), "x") for at in range(1, 9)
    },
    **{
        f"a context diff with {new!r}": (b"*** a/x\n--- b/x\n" + CONTEXT.replace(old, new, 1), "x")
        for old, new in (
            (b"*** 2,4", b"*** so 2,4"),
            (b"2,4 ****", b"2,4 so"),
            (b"*** 2,4", b"*** 2,x4"),
            (b"--- 2,4", b"--- so-2,4"),
            (b"--- 2,4", b"---2,4"),
            (b"--- 2,4", b"-- 2,4"),
            (b"2,4 ----", b"2,4 so"),
            (b"*" * 15, b"*" * 8 + b" so"),
            (b"! b", b"!b"),
            (b"! b", b"!\tb"),
            (b"  4\n--- ", b" 4\n--- "),
        )
    },
    **{
        f"comments in a normal diff, {at}": (b"Index: a/setup.py\n" + commented(NORMAL, at) + b"\n", "setup.py")
        for at in range(1, 4)
    },
    "comments in an indented diff": (b" --- a/x\n +++ b/x\n @@ -2,3 +2,3 @@\n  2\n#foo\n -a\n # c\n +b\n  4\n", "x"),
    "comments between hunks": (NAMES + FIRST + COMMENTS + SECOND, "x"),
    "words behind a command of a normal diff": (
        b"Index: a/x\n1c1\n< 1\n---\n> one\n" + NORMAL.replace(b"3c3", b"3c3 words"),
        "x",
    ),
    "no blank between the numbers, behind words": (NAMES + b"words\n" + FIRST.replace(b" +", b"+"), "x"),
    "a second hunk of a context diff without a blank": (
        b"*** a/x\n--- b/x\n"
        + b"***************\n*** 1 ****\n! 1\n--- 1 ----\n! one\n"
        + CONTEXT.replace(b"*** 2", b"***2"),
        "x",
    ),
    **{
        f"a second hunk of a context diff with {new!r}": (
            b"*** a/x\n--- b/x\n***************\n*** 1 ****\n! 1\n--- 1 ----\n! one\n"
            + CONTEXT.replace(b"*** 2,4 ****", new),
            "x",
        )
        for new in (b"* 2,4", b"*see lines 2,4 ff.", b"**-* 2,4 ****", b"******* 2,4")
    },
    **{
        f"a context diff whose new half begins with {new!r}, {halves[4:7]!r}": (
            b"*** a/x\n--- b/x\n***************\n" + halves,
            "x",
        )
        for new in (b"\n", b"\t2\n")
        for halves in (
            b"*** 2,4 ****\n  2\n- a\n  4\n--- 2,4 ----\n" + new + b"+ b\n  4\n",
            b"*** 2,3 ****\n--- 2,4 ----\n" + new + b"+ b\n  a\n",
        )
    },
    "an empty line between the halves": (b"*** a/x\n--- b/x\n" + CONTEXT.replace(b"--- 2", b"\n--- 2"), "x"),
    "comments around an empty line between the halves": (
        b"*** a/x\n--- b/x\n" + CONTEXT.replace(b"--- 2", b"#\n\n#\n--- 2"),
        "x",
    ),
    **{
        f"nested by {head!r}, {change!r}": (head + change, "x")
        for head in (
            b"- --- a/x\t2020-01-01 00:00:00 +0000\n",
            b"- --- a/x\t\n",
            b"- --- a/x 2020-01-01\n",
            b"- --- /dev/null\n+++ b/x\n",
            b"- --- a/x\t2020-01-01 00:00:00 +0000\nwords\n--- a/x\tno time\n+++ b/x\n",
            b"- --- a/x\t2020-01-01 00:00:00 +0000\n- --- a/x\n",
        )
        for change in (
            FIRST.replace(b"-a\n+", b"- -a\n- +"),
            FIRST.replace(b"-a\n+", b"- -a\n# words\n- +").replace(b" 2\n", b"-  2\n"),
            FIRST.replace(b"-a\n+", b"- # words\n-a\n- +"),
            b"3c3\n< a\n- ---\n> b\n",
            b"3c\nb\n- .\n\n.\n",
            b"3c\n- # words\nb\n- .\n\n.\n",
        )
    },
    **{
        f"a context diff nested by a name, {divider!r}": (
            b"*** a/x\n- --- b/x\t2020-01-01 00:00:00 +0000\n" + CONTEXT.replace(b"--- 2,4 ----", divider),
            "x",
        )
        for divider in (b"--- 2,4 ----", b"- --- 2,4 ----", b"- -- 2,4")
    },
    "nested twice, and less behind a comment": (
        b"- - --- a/x\t2020-01-01 00:00:00 +0000\n" + FIRST.replace(b"-a\n+", b"- # words\n- -a\n- - +"),
        "x",
    ),
    "a normal diff behind a row of stars": (b"*** a/x\n--- b/x\n***************\n" + NORMAL, "x"),
    "zeros before a number, behind words": (NAMES + b"words\n" + FIRST.replace(b"-2", b"-%b2" % ZEROS), "x"),
    "zeros in a context diff": (b"*** a/x\n--- b/x\n" + CONTEXT.replace(b" 2,4", b" 2,%b4" % ZEROS), "x"),
    "zeros in a normal diff": (b"Index: a/x\n" + NORMAL.replace(b"c3", b"c%b3" % ZEROS), "x"),
    "a normal diff behind the header of git": (GIT + NORMAL, "x"),
    "a name before the header of git": (b"*** a/y\n" + GIT + FIRST, "x"),
    "half of a pair before the header of git": (GIT + b"*** a/y\nwords\n" + FIRST, "x"),
    "a name of the time zero before a comment": (b"--- a/x\t1970-01-01 00:00:00 +0000\n# words\n" + FIRST, "x"),
    "an indented header before lines that are not": (b"Index: a/x\nXXXX@@ -3 +3 @@\n-a\n+b\n", "x"),
    "a tab before a header": (b"Index: a/x\n\t@@ -3 +3 @@\n        -a\n    +b\n", "x"),
    **{
        f"commands of ed behind the line {index!r}": (
            GIT + index + b"\n3c\nb\n" + GIT + b".\n",
            "x",
        )
        for index in (b"index of words", b"index ..", b"index 12..", b"index 12..34x", b"index  12..34")
    },
    "a hunk behind a binary file": (GIT + MODE + b"Binary files a/x and b/x differ\n" + FIRST, "x"),
}
"""What GNU patch applies and git does not, and the file it changes."""


@pytest.mark.parametrize("case", ONLY_BY_PATCH)
def test_what_patch_applies_alone_is_shown_at_its_file_and_doubted(case: str, tmp_path: Path) -> None:
    data, name = ONLY_BY_PATCH[case]
    tree = patched(tmp_path / "patch", TREE, data)
    assert b"b\n" in tree[name]
    assert {other for other in TREE if tree[other] != TREE[other]} == {name}
    diff = parse(data)
    assert diff.to_bytes() == data
    added = [
        raw if code == OTHER else raw[hunk.sign_width :].strip(b" +-")
        for file in diff.files
        for hunk in file.hunks
        for raw, code in hunk.coded_lines
        if file.path == name and code in (ADD, OTHER)
    ]
    assert {b"b\n", b"!b\n", b"!\tb\n"}.intersection(added)
    assert summary(diff)["ambiguous"]


ONE_SIDED = {
    "changed, added": (b"! a\n", b"+ b\n"),
    "deleted, changed": (b"- a\n", b"! b\n"),
    "changed twice, once": (b"! a\n- 4\n! 5\n", b"! b\n"),
    "once, changed twice": (b"! a\n", b"! b\n+ q\n! z\n"),
}


@pytest.mark.parametrize("case", ONE_SIDED)
def test_a_changed_line_that_the_other_half_does_not_answer_is_no_change(case: str, tmp_path: Path) -> None:
    """GNU patch keeps the old line, or leaves the new one out, and reports success."""
    old, new = ONE_SIDED[case]
    last = b"*** a/x\n--- b/x\n***************\n*** 2,%d ****\n  2\n%b--- 2,%d ----\n  2\n%b"
    data = last % (2 + old.count(b"\n"), old, 2 + new.count(b"\n"), new)
    after = patched(tmp_path, TREE, data)["x"].splitlines()
    [hunk] = parse(data).files[0].hunks
    lines = OLD.splitlines()
    for raw, code in hunk.coded_lines:
        if code == DELETE:
            lines.remove(raw[2:-1])
        elif code == ADD:
            lines.append(raw[2:-1])
    assert sorted(lines) == sorted(after)
    [warning] = [warning for warning in parse(data).warnings if warning.code == "foreign-line"]
    assert warning.line == hunk.first_line + hunk.codes.index(OTHER)


def test_changed_lines_that_answer_each_other_in_any_order_are_changes(tmp_path: Path) -> None:
    for number, (old, new) in enumerate(((b"- a\n! 4\n", b"! b\n+ q\n"), (b"! a\n- 4\n", b"+ q\n! b\n"))):
        data = b"*** a/x\n--- b/x\n***************\n*** 2,4 ****\n  2\n%b--- 2,4 ----\n  2\n%b" % (old, new)
        assert len(patched(tmp_path / str(number), TREE, data)["x"].splitlines()) == 30
        assert "foreign-line" not in parse(data).codes


@pytest.mark.parametrize(
    "halves",
    [
        b"*** 2,4 ****\n--- 2,4 ----\n",
        b"*** 2,4 ****\n  2\n- a\n  4\n--- 2 ----\n",
        b"*** 2,4 ****\n--- 2,4 ----\n  2\n+ b\n  4\n",
    ],
)
def test_a_half_that_is_missing_is_counted_by_the_other(halves: bytes) -> None:
    assert "hunk-counts" in parse(b"*** a/x\n--- b/x\n***************\n" + halves).codes


@pytest.mark.parametrize(("command", "texts"), [(b"3c\r\n", 1), (b"3c\n", 3)])
def test_a_dot_with_a_cr_ends_the_text_of_ed_where_the_first_command_has_one(
    command: bytes, texts: int, tmp_path: Path
) -> None:
    data = b"Index: a/x\n" + command + b"b\n.\r\n5d\r\n.\n"
    assert len(patched(tmp_path, TREE, data)["x"].splitlines()) == 30 - (texts == 1) + (texts - 1)
    hunks = parse(data).files[0].hunks
    assert hunks[0].additions == texts


@pytest.mark.parametrize(
    "hunks",
    [
        (b"3c3\n< a\n---\n> b\n", b"9c9\n< 9\n---\n> b\n"),
        (b"9c\nb\n.\n", b"3c\nb\n.\n"),
        tuple(b"  " + hunk.replace(b"\n", b"\n  ").removesuffix(b"  ") for hunk in (FIRST, SECOND)),
    ],
)
def test_comments_between_hunks_that_only_patch_reads_stay_where_they_stood(hunks: tuple[bytes, bytes]) -> None:
    for data in (b"Index: a/x\n" + hunks[0] + COMMENTS + hunks[1], b"1c\nIndex: a/x\n\t#\n" + b"".join(hunks)):
        assert parse(data).to_bytes() == data
        assert [len(file.hunks) for file in parse(data).files] == [2]


@pytest.mark.parametrize("change", [FIRST, NORMAL])
def test_a_name_after_index_goes_on_to_the_end_of_its_line(change: bytes, tmp_path: Path) -> None:
    data = b"Index: a/x y\n" + change
    tree = {**TREE, "x y": OLD}
    after = patched(tmp_path, tree, data)
    assert [name for name in tree if after[name] != tree[name]] == ["x y"]
    diff = parse(data)
    assert [file.path for file in diff.files] == ["x y"]
    assert "names-differ" not in diff.codes


def test_zeros_before_a_number_are_no_error_of_any_tool(tmp_path: Path) -> None:
    data = NAMES + FIRST.replace(b"-2", b"-%b2" % ZEROS)
    assert patched(tmp_path / "patch", TREE, data) == applied(tmp_path / "git", TREE, data) != TREE
    diff = parse(data)
    assert diff.additions == 1
    assert not {"patch-stops", "git-refuses"} & diff.codes


def test_a_changed_mode_is_said_where_only_the_lines_are_a_normal_diff() -> None:
    [file] = parse(GIT + MODE + NORMAL).files
    assert (file.path, file.old_mode, file.new_mode) == ("x", "100644", "100755")


@pytest.mark.parametrize("words", [b" so", b" so on", b" "])
def test_a_null_device_with_words_behind_it_is_one(words: bytes, tmp_path: Path) -> None:
    gone = b"--- a/x\n+++ /dev/null" + words + b"\n" + GONE
    new = b"--- /dev/null" + words + b"\n+++ b/n\n" + NEW
    for tool in (patched, applied):
        after = tool(tmp_path / tool.__name__, TREE, gone + new)
        assert (after.keys() - TREE.keys(), TREE.keys() - after.keys()) == ({"n"}, {"x"})
    files = parse(gone + new).files
    assert [(file.path, file.change) for file in files] == [("x", "deleted"), ("n", "added")]


def test_git_keeps_the_name_of_a_header_that_nothing_follows(tmp_path: Path) -> None:
    data = b"diff --git a/y b/y\nwords\n" + GIT + MODE
    write(tmp_path, TREE)
    run("git", "apply", "-", folder=tmp_path, data=data)
    assert [bool((tmp_path / name).stat().st_mode & 0o100) for name in ("x", "y")] == [False, True]
    [warning] = [warning for warning in parse(data).warnings if warning.code == "name-mismatch"]
    assert warning.line == 3


@pytest.mark.parametrize(
    "stamp",
    [
        b" " * 9_000 + b"1970-01-01 00:00:00 +0000",
        b"2020-01-01 00:00:00.000000000 +0000" + b" " * 9_000 + b"50 years ago",
    ],
)
def test_what_stands_far_behind_a_name_is_read_too(stamp: bytes, tmp_path: Path) -> None:
    data = b"--- a/x\n+++ b/x\t" + stamp + b"\n" + GONE
    assert patched(tmp_path / "patch", TREE, data) != applied(tmp_path / "git", TREE, data)
    assert summary(parse(data))["ambiguous"]


def test_a_long_name_in_octal_escapes_is_read_whole(tmp_path: Path) -> None:
    name = "/".join(["é" * 100] * 12)
    quoted = b"".join(b"\\%03o" % byte if byte > 127 else bytes((byte,)) for byte in name.encode())
    data = b'--- /dev/null\n+++ "b/%b"\n' % quoted + NEW
    assert name in applied(tmp_path / "git", TREE, data)
    assert [file.path for file in parse(data).files] == [name]


OTHER_BYTES = {
    "new": b'--- /dev/null\n+++ "b/\\351"\n' + NEW,
    "new in git": b'diff --git "a/\\351" "b/\\351"\nnew file mode 100644\nindex 0000000..1234567\n--- /dev/null\n'
    b'+++ "b/\\351"\n' + NEW,
    "renamed": b'diff --git a/x "b/\\351"\nrename from x\nrename to "\\351"\n',
    "a surrogate": b'--- /dev/null\n+++ "b/\\355\\240\\200"\n' + NEW,
}


@pytest.mark.parametrize("case", OTHER_BYTES)
def test_a_name_that_is_not_utf_8_once_its_quotes_are_undone_is_doubted(case: str) -> None:
    diff = parse(OTHER_BYTES[case])
    assert "encoding" in diff.codes
    assert canonical(diff).data is None
    assert summary(diff)["ambiguous"]


@pytest.mark.parametrize("numbers", [b"-0,3 +0,3", b"-0,3 +1,3", b"-1,3 +0,3"])
def test_lines_from_line_0_on_are_not_where_they_are_shown(numbers: bytes, tmp_path: Path) -> None:
    hunk = b"@@ %b @@\n 1\n-2\n+b\n a\n"
    right = patched(tmp_path / "right", TREE, NAMES + hunk % b"-1,3 +1,3")
    assert patched(tmp_path / "odd", TREE, NAMES + hunk % numbers) == right != TREE
    diff = parse(NAMES + hunk % numbers)
    assert "hunk-numbers" in diff.codes
    assert canonical(diff).data is None


@pytest.mark.parametrize("blank", [b" \n", b"\n", b"-\n", b"+\n"])
def test_an_empty_line_without_a_newline_is_none_and_doubted(blank: bytes, tmp_path: Path) -> None:
    """Git takes such a line of the old side for any last line of blanks, and drops that one."""
    tree = {"x": b"1\n2\na\n\t"}
    data = NAMES + b"@@ -2,3 +2,3 @@\n 2\n-a\n+b\n \n\\ No newline at end of file\n"
    assert applied(tmp_path, tree, data) == {"x": b"1\n2\nb\n"}
    old, new = 2 + (blank != b"+\n"), 2 + (blank != b"-\n")
    data = NAMES + b"@@ -2,%d +2,%d @@\n 2\n-a\n+b\n%b\\ No newline at end of file\n" % (old, new, blank)
    diff = parse(data)
    assert "note-place" in diff.codes
    assert canonical(diff).data is None


@pytest.mark.parametrize("mode", [b"100664", b"100666", b"100400", b"000000", b"040000", b"104755"])
def test_a_mode_that_git_does_not_keep_is_doubted(mode: bytes) -> None:
    new = b"diff --git a/n b/n\nnew file mode %b\nindex 0000000..1234567\n--- /dev/null\n+++ b/n\n" % mode + NEW
    for data in (new, GIT + b"old mode 100644\nnew mode %b\n" % mode):
        assert "mode-lines" in parse(data).codes
        assert canonical(parse(data)).data is None


@pytest.mark.parametrize("index", [b"0000000..1234567", b"1234567..0000000", b"0000000..0000000", b"0000000..e69de29"])
def test_an_index_line_by_which_a_file_is_absent_is_doubted(index: bytes) -> None:
    data = GIT + b"index " + index + b" 100644\n" + NAMES
    assert "mode-lines" in parse(data + FIRST).codes
    assert not same(data + FIRST, GIT + INDEX + NAMES + FIRST)


HEAD = b"Content-Transfer-Encoding: base64\nFrom: A <a@b.example>\nSubject: s\n\n"
ENCODED = base64.encodebytes(b"m\n---\n" + NAMES + FIRST)


@pytest.mark.parametrize("lines", [b"", b"# Branch x\n#  \n", b"\n\n"])
def test_a_patch_of_mercurial_that_git_am_makes_a_mail_of_is_decoded(lines: bytes) -> None:
    data = b"# HG changeset patch\n" + lines + HEAD + ENCODED
    diff = parse(data)
    assert diff.to_bytes() == data
    assert [(file.path, file.additions) for file in diff.files] == [("x", 1)]
    assert "encoded-differs" in diff.codes


def test_a_patch_of_mercurial_with_an_author_has_its_head_already() -> None:
    data = b"# HG changeset patch\n# User A <a@b.example>\n" + HEAD + ENCODED
    assert read(data) == data


def same(old: bytes, new: bytes) -> bool:
    comparison = compare(parse(old), parse(new))
    return comparison.same and not comparison.read_otherwise and not comparison.words_applied


def test_a_revision_whose_name_has_other_bytes_is_another_change() -> None:
    name = b"--- /dev/null\n+++ b/%b\n"
    assert not same(name % b"\xe9" + NEW, name % "é".encode() + NEW)
    assert not same(b'--- /dev/null\n+++ "b/\\351"\n' + NEW, name % "é".encode() + NEW)
    assert same(b'--- /dev/null\n+++ "b/\\303\\251"\n' + NEW, name % "é".encode() + NEW)


@pytest.mark.parametrize("mode", [b"120000", b"160000"])
def test_a_revision_that_changes_a_link_is_another_change(mode: bytes) -> None:
    assert not same(GIT + INDEX + NAMES + FIRST, GIT + INDEX.replace(b"100644", mode) + NAMES + FIRST)


def test_revisions_that_decode_alike_but_were_sent_otherwise_need_not_be_the_same() -> None:
    mail = b"From: A <a@b.example>\nContent-Transfer-Encoding: quoted-printable\n\nm\n---\n" + NAMES
    first = mail + FIRST.replace(b"+b", b"+b=3D")
    assert not same(first, mail + FIRST.replace(b"+b", b"+=62=3D"))
    assert same(first, first.replace(b"From: A", b"From: B"))
