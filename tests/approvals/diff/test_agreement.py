"""What GNU patch and git really do with odd patches, and that the page says so at that line."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.diff.agreement import AMBIGUOUS
from approvals.diff.canonical import canonical
from approvals.diff.git_apply import read_as_git
from approvals.diff.gnu_patch import read_as_patch
from approvals.diff.parse import parse
from approvals.diff.source import Source
from approvals.diff.structure import DELETE
from approvals.diff.summary import summary
from tests.approvals.diff.tools import Tree, applied, patched, run, write

pytestmark = pytest.mark.skipif(
    not shutil.which("git") or not shutil.which("patch"), reason="git or patch is not installed"
)

OLD = b"".join(b"a\n" if number == 3 else b"%d\n" % number for number in range(1, 31))
TREE: Tree = dict.fromkeys(("x", "y", "setup.py", "docs/readme.txt"), OLD)
NAMES = b"--- a/x\n+++ b/x\n"
FIRST = b"@@ -2,3 +2,3 @@\n 2\n-a\n+b\n 4\n"
SECOND = b"@@ -9,3 +9,3 @@\n 9\n-10\n+ten\n 11\n"
NORMAL = b"3c3\n< a\n---\n> b\n"
CONTEXT = b"***************\n*** 2,4 ****\n  2\n! a\n  4\n--- 2,4 ----\n  2\n! b\n  4\n"
INDENTED = b"".join(b"    " + line for line in (b"--- a/setup.py\n+++ b/setup.py\n" + FIRST).splitlines(keepends=True))

BEHAVIOUR: dict[str, tuple[bytes, set[str], set[str], set[str]]] = {
    "a plain patch": (NAMES + FIRST + SECOND, {"x:2"}, {"x:2"}, set()),
    "an empty line between hunks": (NAMES + FIRST + b"\n" + SECOND, {"x:1"}, set(), {"hunk-left-out", "git-refuses"}),
    "a form feed between hunks": (NAMES + FIRST + b"\f\n" + SECOND, {"x:1"}, set(), {"hunk-left-out", "git-refuses"}),
    "text between hunks": (NAMES + FIRST + b"so\n" + SECOND, {"x:1"}, set(), {"hunk-left-out", "git-refuses"}),
    "two blanks in @@": (NAMES + FIRST + SECOND.replace(b"@@ ", b"@@  ", 1), {"x:1"}, {"x:1"}, {"hunk-left-out"}),
    "no closing @@": (NAMES + FIRST.replace(b" @@\n", b"\n") + SECOND, set(), set(), {"patch-stops", "git-refuses"}),
    "@@ without a blank": (NAMES + FIRST.replace(b" @@\n", b"@@\n"), {"x:1"}, set(), {"git-refuses"}),
    "a count too short": (NAMES + FIRST.replace(b",3", b",2"), {"x:1"}, set(), set()),
    "lines beyond the counts": (
        NAMES + FIRST.replace(b"3 @@", b"3 @@") + b"-5\n+five\n",
        {"x:1"},
        {"x:1"},
        {"hunk-tail"},
    ),
    "a hunk without context": (NAMES + b"@@ -3 +3 @@\n-a\n+b\n", {"x:1"}, set(), {"zero-context"}),
    "no context at the start of a longer file": (
        NAMES + b"@@ -1 +1 @@\n-1\n+b\n" + SECOND,
        {"x:2"},
        set(),
        {"zero-context"},
    ),
    "no context behind the first line": (NAMES + b"@@ -1,0 +2 @@\n+b\n", {"x:1"}, set(), {"zero-context"}),
    "no context below a hunk before another": (
        NAMES + b"@@ -2,2 +2,2 @@\n 2\n-a\n+b\n" + SECOND,
        {"x:2"},
        set(),
        {"zero-context"},
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + NAMES + FIRST, {"x:1"}, set(), {"byte-order-mark", "git-refuses"}),
    "no name at all": (FIRST, set(), set(), {"no-name", "git-refuses"}),
    "one name line": (b"+++ b/x\n" + FIRST, {"x:1"}, set(), {"half-header", "git-refuses"}),
    "Index: alone": (b"Index: b/x\n" + FIRST, {"x:1"}, set(), {"git-refuses"}),
    "names that differ": (
        b"--- a/setup.py\n+++ b/docs/readme.txt\n" + FIRST,
        {"setup.py:1"},
        {"docs/readme.txt:1"},
        {"names-differ"},
    ),
    "CRLF everywhere": ((NAMES + FIRST).replace(b"\n", b"\r\n"), {"x:1"}, set(), {"crlf-headers"}),
    "an indented diff in the message": (
        b"Was:\n\n" + INDENTED + NAMES + FIRST,
        {"setup.py:1", "x:1"},
        {"x:1"},
        {"only-patch"},
    ),
    "a diff behind X": (b"X--- a/x\nX+++ b/x\n" + FIRST, {"x:1"}, set(), {"git-refuses"}),
    "a normal diff in the message": (
        b"Index: a/setup.py\n" + NORMAL + b"\n" + NAMES + FIRST,
        {"setup.py:1", "x:1"},
        {"x:1"},
        {"only-patch"},
    ),
    "a normal diff after the footer": (
        NAMES + FIRST + b"-- \n2.39.2\n\n*** a/setup.py\n" + NORMAL,
        {"setup.py:1", "x:1"},
        {"x:1"},
        {"only-patch"},
    ),
    "a normal diff without a name": (NORMAL + NAMES + FIRST, {"x:1"}, {"x:1"}, set()),
    "a context diff after a unified one": (
        NAMES + FIRST + b"*** a/y\n--- b/y\n" + CONTEXT,
        {"x:1", "y:1"},
        {"x:1"},
        {"context-diff"},
    ),
    "a git header whose names differ": (
        b"diff --git a/x b/y\n--- a/x\n+++ b/y\n" + FIRST,
        {"x:1"},
        {"x:0", "y:1"},
        {"names-differ"},
    ),
    "a blank in a name": (b"--- a/x y\n+++ b/x y\n" + FIRST, {"x:1"}, set(), {"name-blank"}),
    "lines of a file said to be new": (b"--- /dev/null\n+++ b/x\n" + FIRST, {"x:1"}, set(), {"git-refuses"}),
}
"""For each patch: what GNU patch changes and what git apply does (`file:hunks`), and what the page must say."""


def changed(tree: Tree) -> set[str]:
    """Return `name:hunks` of what differs from the tree before; a file that is gone has no hunks."""
    found = set()
    for name in TREE.keys() | tree.keys():
        if name not in tree:
            found.add(f"{name}:0")
        elif tree[name] != TREE.get(name):
            found.add(f"{name}:{tree[name].count(b'b' + chr(10).encode()) + tree[name].count(b'ten')}")
    return found


@pytest.mark.parametrize("case", BEHAVIOUR)
def test_what_the_tools_do_is_known_and_said(case: str, tmp_path: Path) -> None:
    data, by_patch, by_git, codes = BEHAVIOUR[case]
    assert changed(patched(tmp_path / "patch", TREE, data)) == by_patch
    assert changed(applied(tmp_path / "git", TREE, data)) == by_git
    assert codes <= parse(data).codes
    if not codes and by_patch == by_git:
        assert not parse(data).warnings


@pytest.mark.parametrize("case", [case for case, (_, by_patch, *_) in BEHAVIOUR.items() if by_patch])
def test_whatever_a_tool_changes_is_a_file_on_the_page(case: str) -> None:
    data, by_patch, by_git, _ = BEHAVIOUR[case]
    paths = {path for file in parse(data).files for path in (file.path, file.old_path, file.path.split(" ")[0])}
    assert {name.partition(":")[0] for name in by_patch | by_git} <= paths


OWED = {
    "a dash, then a version": (b"@@ -1,3 +1,2 @@\n 1\n--\n v1.2 x\n", b"1\n-\nv1.2 x\n"),
    "a dash and a blank, then a version": (b"@@ -1,3 +1,2 @@\n 1\n-- \n 2.39.2\n", b"1\n- \n2.39.2\n"),
    "a dash and a blank, then a version that goes": (b"@@ -1,3 +1 @@\n 1\n-- \n- 2.39.2\n", b"1\n- \n 2.39.2\n"),
    "a name line": (b"@@ -1,2 +1 @@\n 1\n--- a/y\n+++ b/y\n@@ -2,3 +2,3 @@\n 2\n-a\n+b\n 4\n", b"1\n-- a/y\n"),
}
"""Hunks that still owe a line that looks like the end of a mail or the header of the next file, and their old side."""


@pytest.mark.parametrize("case", OWED)
def test_a_line_that_a_hunk_still_owes_is_a_deleted_one(case: str, tmp_path: Path) -> None:
    hunk, old = OWED[case]
    tree = {"x": old, "y": OLD}
    after = patched(tmp_path / "patch", tree, NAMES + hunk)
    assert applied(tmp_path / "git", tree, NAMES + hunk)["x"] in (after["x"], old)
    diff = parse(NAMES + hunk)
    shown = [raw[1:] for raw, code in diff.files[0].hunks[0].coded_lines if code != DELETE]
    assert b"".join(shown) == after["x"] != old
    assert "no-hunks" not in diff.codes


BEYOND = {
    "the footer of a mail": (b"@@ -1,3 +1,2 @@\n 1\n-2\n+b\n-- \n2.39.2\n", b"1\n2\n- \n", {"patch", "git"}),
    "unchanged lines of another sign": (
        b"@@ -1,6 +1,7 @@\n 1\n=2\n=3\n=4\n=5\n+b\n 6\n",
        b"1\n2\n3\n4\n5\n6\n",
        {"patch"},
    ),
}


@pytest.mark.parametrize("case", BEYOND)
def test_what_a_tool_reads_of_a_hunk_beyond_what_is_shown_is_said(case: str, tmp_path: Path) -> None:
    hunk, old, readers = BEYOND[case]
    assert patched(tmp_path / "patch", {"x": old}, NAMES + hunk)["x"] != old
    assert (applied(tmp_path / "git", {"x": old}, NAMES + hunk)["x"] != old) == ("git" in readers)
    diff = parse(NAMES + hunk)
    after = diff.files[0].hunks[0].first_line + len(diff.files[0].hunks[0].codes)
    said = {(warning.code, warning.line) for warning in diff.warnings if warning.code.endswith("-reads-more")}
    assert said == {(f"{reader}-reads-more", after) for reader in readers}
    assert canonical(diff).data is None


@pytest.mark.parametrize("last", [b" 4\n", b"\t4\n"])
def test_git_joins_an_unchanged_line_without_an_end_with_the_next_one(last: bytes, tmp_path: Path) -> None:
    """Both tools are content. Whether the file ends there no patch can show: the line says so, and people decide."""
    tree = {"x": OLD.replace(b"4\n", b"\t4\n", 1) if last != b" 4\n" else OLD}
    data = NAMES + b"@@ -2,3 +2,3 @@\n 2\n-a\n+b\n%b\\ No newline at end of file\n" % last
    assert b"b\n%b5\n" % last.strip(b" ") in patched(tmp_path / "patch", tree, data)["x"]
    if last == b" 4\n":
        assert b"b\n45\n" in applied(tmp_path / "git", tree, data)["x"]
    [warning] = [warning for warning in parse(data).warnings if warning.code == "joined-line"]
    assert warning.code in AMBIGUOUS
    assert (warning.line, "git apply takes it off and joins" in warning.message) == (7, True)


HEADS = [
    *(b"--- a/x\n", b"+++ b/x\n", b"--- a/y\n", b"+++ b/y\n", b"Index: a/setup.py\n", b"*** a/x\n", NAMES, NAMES),
    *(b"- --- a/x\t2020-01-01 00:00:00 +0000\n", b"- --- a/y\t\n", b"- --- /dev/null\n", b"*** a/x\n- --- b/x\t\n"),
    *(
        b"index 12..\n",
        b"index of words\n",
        b"diff --git a/x b/x\n",
        b"index 1234567..89abcde 100644\n",
        b"old mode 100644\n",
        b"diff -u a/x b/x\n",
    ),
]
NEXT = CONTEXT.replace(b"*** 2,4 ****", b"* 2,4")
BODIES = [
    *(CONTEXT + NEXT, CONTEXT.replace(b"--- 2,4 ----", b"\n--- 2,4"), FIRST.replace(b"-a\n+", b"- -a\n- +")),
    *(NORMAL.replace(b"---", b"- ---"), b"3c\nb\n- .\n", FIRST.replace(b"-a\n", b"- # a\n-a\n")),
    *(FIRST, SECOND, SECOND.replace(b"@@ -", b"@@  -"), NORMAL, b"3d2\n< a\n", b"3a4\n> q\n", b"3c\nb\n.\n", CONTEXT),
    b"".join(b"  " + line for line in FIRST.splitlines(keepends=True)),
]
TEXTS = [
    *(b"\n", b"hello world\n", b"-- \n2.39.5\n\n", b"---\n", b" x | 2 +-\n", b"-a\n", b"+b\n", b" 4\n", b"\f\n", b"X"),
    *(b"\\ No newline at end of file\n", b"1\n", b"@@ hello @@\n", b"From abc\n", b"\t"),
]
PATCHES = st.lists(st.sampled_from(HEADS) | st.sampled_from(BODIES) | st.sampled_from(TEXTS), min_size=2, max_size=9)
KINDS = re.compile(r"[Ll]ooks like an? (?:new-style )?(context|unified|normal|ed|git binary) (?:diff|script)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tree, which dry runs leave as it is."""
    return write(tmp_path_factory.mktemp("tree"), TREE)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.builds(b"".join, PATCHES))
def test_changes_are_found_where_gnu_patch_finds_them(folder: Path, data: bytes) -> None:
    try:
        told = run("patch", "-p1", "-f", "--verbose", "--dry-run", folder=folder, data=data)
    except subprocess.TimeoutExpired:
        return
    if told.returncode < 0:  # patch died: it told nothing and changed nothing
        return
    found: list[list[object]] = []
    for line in (told.stdout + told.stderr).decode("latin-1").splitlines():
        if kind := KINDS.search(line):
            found.append([kind[1], 0])
        elif re.match(r"Hunk #\d+ (succeeded|FAILED|ignored)", line):
            found[-1][1] = int(str(found[-1][1])) + 1
    read = read_as_patch(Source(data, 10)).sections
    kinds = ["unified" if section.kind == "header" else section.kind for section in read]
    counts = [0 if section.kind == "ed" else len(section.hunks) for section in read]
    assert [list(pair) for pair in zip(kinds, counts, strict=True)] == found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(
        b"".join, st.lists(st.sampled_from([NAMES, b"diff --git a/x b/x\n" + NAMES, *BODIES, *TEXTS]), max_size=9)
    )
)
def test_git_refuses_where_we_say_so_and_counts_what_we_count(folder: Path, data: bytes) -> None:
    told = run("git", "apply", "--numstat", "--allow-empty", "-", folder=folder, data=data)
    source = Source(data, 10)
    reading = read_as_git(source)
    assert (told.returncode != 0) == (reading.refused_at is not None)
    if told.returncode == 0:
        lines = [
            [line for begin, end in file.hunks for line in source.lines[begin + 1 : end]] for file in reading.files
        ]
        counts = [tuple(sum(line[:1] == sign for line in part) for sign in (b"+", b"-")) for part in lines]
        assert counts == [tuple(map(int, line.split()[:2])) for line in told.stdout.splitlines()]


ZERO = b"1970-01-01 00:00:00"
STAMPS = [
    *(ZERO + zone for zone in (b" +0000", b".000 +0000", b" +00", b" +2", b".0,0 +0000", b" +0000 ", b" +00:00", b"")),
    *(
        b"1970-01-01 02:00:00 +0200",
        b"1969-12-31 19:00:00 -0500",
        b"1970-01-01 00:00:01 +0000",
        b"x\t" + ZERO + b" +0000",
    ),
]
NULLS = [b"/dev/null", b"/dev/null\r", b"/dev/null x", b"/dev/nullx", b'"/dev/null"']
GONE, COMES = b"@@ -1,2 +0,0 @@\n-1\n-2\n", b"@@ -0,0 +1,2 @@\n+1\n+2\n"


@pytest.mark.parametrize("hunk", [GONE, COMES])
@pytest.mark.parametrize("null", NULLS)
def test_git_knows_an_absent_file_as_we_do(null: bytes, hunk: bytes, folder: Path) -> None:
    patches = [
        *(b"--- a/x\t%b\n+++ %b\n" % (stamp, null) for stamp in STAMPS),
        *(b"--- %b\n+++ b/x\t%b\n" % (null, stamp) for stamp in STAMPS),
        b"diff --git a/x b/x\nnew file mode 100644\n--- %b\n+++ b/x\n" % null,
        b"diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ %b\n" % null,
    ]
    for header in patches:
        told = run("git", "apply", "--numstat", "-", folder=folder, data=header + hunk)
        assert (told.returncode != 0) == (read_as_git(Source(header + hunk, 10)).refused_at is not None), header


@pytest.mark.parametrize("digits", [18, 19, 5000])
def test_line_numbers_of_any_length_are_read(digits: int) -> None:
    data = b"Index: x\n" + b"9" * digits + b"c\nb\n.\n"
    diff = parse(data)
    assert diff.to_bytes() == data
    assert "only-patch" in diff.codes


GIT = b"diff --git a/x b/x\n"
DOUBTFUL = {
    "a hunk that ends at once": b"X+++ b/x\nX@@ -2,3 +2,3 @@\nX 2\nX-a\nX+b\nX 4\nX@@ -2,3 +2,3 @@\n",
    "a mode of seven digits": GIT + b"new file mode 0120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+y\n",
    "half a mode change": GIT + b"new mode 100755\n" + NAMES + FIRST,
    "two mode changes": GIT + b"old mode 100755\nnew mode 100644\nold mode 100644\nnew mode 100755\n" + NAMES + FIRST,
    "a mode line apart": GIT + b"old mode 100644\nso\nnew mode 100755\n" + NAMES + FIRST,
    "Index: names another file": b"Index: a/y\n--- x\n+++ x\n" + FIRST,
    "*** names another file": b"*** a/y\n--- x\n+++ x\n" + FIRST,
    "a rename that contradicts its header": b"diff --git a/x b/k\nsimilarity index 100%\nrename from y\nrename to k\n",
    "an old form of a rename": b"diff --git a/x b/k\nrename old x\nrename new k\n--- a/x\n+++ b/k\n" + FIRST,
    "a copy of a changed file": NAMES + FIRST + b"diff --git a/x b/k\ncopy from x\ncopy to k\n",
    "a file that ends in its middle": NAMES + b"@@ -2,3 +2,3 @@\n 2\n-a\n+b\n\\ No newline at end of file\n 4\n",
    "a short marker": NAMES + FIRST + b"\\ short\n",
    "no prefix": b"--- docs/readme.txt\n+++ docs/readme.txt\n" + FIRST,
    "a name that is the beginning of the other": b"--- a/x\n+++ b/x.c\n" + FIRST,
    "/dev/null without a word of deletion": GIT + b"--- a/x\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-1\n-2\n",
    "a stamp of the time zero": b"--- a/x\n+++ b/x\t@0\n" + FIRST,
    "an escape of two digits": b'--- /dev/null\n+++ "b/k\\7z"\n@@ -0,0 +1 @@\n+y\n',
    "a name with a weekday": b"--- /dev/null\n+++ b/k Wed A\n@@ -0,0 +1 @@\n+y\n",
    "two slashes": b"--- a//x\n+++ b//x\n" + FIRST,
    "a name that ends with a blank": GIT + b"--- a/x\n+++ b/x \n" + FIRST,
    "a file that is new twice": (GIT + b"new file mode 100644\n--- /dev/null\n+++ b/k\n@@ -0,0 +1 @@\n+y\n").replace(
        b"a/x b/x", b"a/k b/k"
    )
    * 2,
    "a file that is changed after it went": GIT
    + b"deleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-1\n-2\n"
    + NAMES
    + FIRST,
    "an earlier name before /dev/null": b"--- a/y\nso\n--- /dev/null\n+++ b/k\n@@ -0,0 +1 @@\n+y\n",
    "a name after the header of an empty file": GIT.replace(b"x", b"k")
    + b"new file mode 100644\n--- /dev/null\n+++ b/k\n*** a/y\n",
}
"""Patches of which tools made different trees when they were tried."""


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_tools_take_in_different_ways_is_ambiguous_and_loses_nothing(case: str) -> None:
    diff = parse(DOUBTFUL[case])
    assert diff.to_bytes() == DOUBTFUL[case]
    assert summary(diff)["ambiguous"]


def test_a_file_may_come_and_change_in_one_series() -> None:
    """As mails of one branch do: each tool applies them one after the other. A file that also goes is another thing:
    git leaves it, GNU patch does not."""
    new = b"diff --git a/k b/k\nnew file mode 100644\n--- /dev/null\n+++ b/k\n@@ -0,0 +1 @@\n+y\n"
    change = b"diff --git a/k b/k\n--- a/k\n+++ b/k\n@@ -1 +1 @@\n-y\n+z\n"
    gone = b"diff --git a/k b/k\ndeleted file mode 100644\n--- a/k\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n"
    diff = parse(new + change)
    assert "order-counts" not in diff.codes
    assert canonical(diff).data is not None
    assert "order-counts" in parse(new + change + gone).codes


def test_the_character_set_of_a_mail_changes_no_byte_of_its_diff() -> None:
    head = b"From: A <a@b.example>\nSubject: s\nContent-Type: text/plain; charset=iso-8859-1\n\nm\n---\n"
    data = head + NAMES + FIRST.replace(b"+b", b"+\xe9")
    assert parse(data).sent is None
