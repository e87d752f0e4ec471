"""Headers, names and mails in which GNU patch, git apply or git am do something else than the page could show."""

import pytest

from approvals.diff.canonical import canonical
from approvals.diff.mail import unflowed
from approvals.diff.parse import parse
from approvals.diff.summary import summary

N = b"--- a/x\n+++ b/x\n"
F = b"@@ -2,3 +2,3 @@\n 2\n-a\n+b\n 4\n"
D = b"diff --git a/x b/x\n"
INDEX = b"index 1234567..89abcde 100644\n"
LINK = b"@@ -1 +1 @@\n-old\n\\ No newline at end of file\n+new\n\\ No newline at end of file\n"
NEW = b"@@ -0,0 +1 @@\n+y\n"
GONE = b"@@ -1,2 +0,0 @@\n-1\n-2\n"
ADDED = b"diff --git a/n b/n\nnew file mode 100644\nindex 0000000..1234567\n--- /dev/null\n+++ b/n\n" + NEW
REMOVED = b"diff --git a/n b/n\ndeleted file mode 100644\n--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n"
MAIL = b"From: A <a@b.example>\nSubject: s\n"
FROM = b"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
SET = b"Content-Type: text/plain; charset=%b\n"
MODES = b"old mode 100644\nnew mode 100755\n"
BINARY = b"GIT binary patch\nliteral 2\nJcmezWFPedf0RRC00ssI2\n\n"
ATTRIBUTES = b"--- a/d/.gitattributes\n+++ b/d/.gitattributes\n" + F
ENCODED = b"\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+y=3Db\n"

DOUBTFUL = {
    "a mode of the index line that contradicts": D
    + b"new file mode 100644\nindex 0000000..1234567 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc/motd\n",
    "an indented rename": b"Xdiff --git a/x b/q\nXrename from x\nXrename to q\n" + D + INDEX + N + F,
    "an indented rename after the footer": D
    + INDEX
    + N
    + F
    + b"-- \n2.39\n\n  diff --git a/k b/q\n  rename from k\n  rename to q\n",
    "an indented change of a mode": b"    diff --git a/y b/y\n    old mode 100644\n    new mode 100755\n\n"
    + D
    + INDEX
    + N
    + F,
    "an indented new file": b" diff --git a/e b/e\n--- /dev/null\n+++ b/long\n" + NEW,
    "a rename and then a file without a header of git": b"diff --git a/k b/z\nsimilarity index 100%\nrename from k\n"
    b"rename to z\nWords\n" + N + F,
    "a rename without name lines": b"diff --git a/x b/z\nsimilarity index 90%\nrename from x\nrename to z\n"
    + INDEX
    + F,
    "a copy with half a pair of names": b"diff --git a/x b/z\ncopy from x\ncopy to z\n--- a/x\n",
    "half a rename": b"diff --git a/x b/z\nrename to z\n--- a/x\n+++ b/z\n" + F,
    "half a copy": b"diff --git a/x b/z\ncopy to z\n--- a/x\n+++ b/z\n" + F,
    "a copy that is a rename": b"diff --git a/x b/z\ncopy from x\nrename to z\n--- a/x\n+++ b/z\n" + F,
    "a file that comes and goes": ADDED + REMOVED,
    "the same change twice": D + INDEX + N + F + D + INDEX + N + F,
    "a file that goes twice": REMOVED + REMOVED,
    "a blank before the tab": b"--- /dev/null\n+++ b/x \t\n" + NEW,
    "two tabs": b"--- /dev/null\n+++ b/x\tb\t2020-01-01 00:00:00.000000000 +0000\n" + NEW,
    "a zero before a number": b"--- a/k\n+++ /dev/null\n@@ -1,2 +00,0 @@\n-1\n-2\n",
    "the time zero in words": b"--- a/k\n+++ b/k\t1 Jan 70\n" + GONE,
    "the time zero with two digits": b"--- a/k\n+++ b/k\t70-01-01 00:00:00 UTC\n" + GONE,
    "a quoted null device": b'--- a/k\n+++ "/dev/null"\n' + GONE,
    "an earlier name with a CR": b" --- a/x\r\nWords\n" + D + INDEX + F,
    "a combined hunk after a plain one": D + INDEX + N + F + b"@@@@ -9,3 +9,3 @@\n 9\n-10\n+ten\n 11\n",
    "a new file without a hunk": b"--- a/k\n+++ /dev/null\n" + GONE + b"--- /dev/null\n+++ b/n\n",
    "a deletion without a hunk or an index": b"diff --git a/e b/e\ndeleted file mode 100644\n",
    "two blanks in the first line": b"diff --git a/e  b/e\ndeleted file mode 100644\nindex e69de29..0000000\n",
    "a control character in the first line": b"diff --git a/q b/q\x0b\nnew file mode 100644\nindex 0000000..e69de29\n",
    "a backup's name": b"--- a/k~\n+++ b/k\n@@ -1,2 +1 @@\n 1\n-2\n",
    "CRLF in a mail": MAIL + b"\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+y\r\n",
    "half a header with a move": D + b"--- a/x\nrename new q\n" + F,
    "names the other way round": b"+++ /dev/null\n--- a/k\n" + GONE,
    "words behind a time": b"--- a/k\n+++ b/k\t2020-01-01 00:00:00.000000000 +0000 50 years ago\n" + GONE,
    "a hunk behind a header of git alone": b"+++ b/k\t1970-01-01 00:00:00 +0000\nWords\ndiff --git a/k b/k\n"
    + INDEX
    + GONE,
    "a null device in words": b"+++ /dev/null\nWords\ndiff --git a/k b/k\n" + INDEX + GONE,
    "a CR in words": b"--- a/x\r\nWords\n" + D + INDEX + F.replace(b"\n", b"\r\n"),
    "nested by an earlier name": b"- --- a/x\t2020-01-01 00:00:00\nWords\n"
    + N
    + b"@@ -2,4 +2,3 @@\n 2\n- -x\n-x\n+y\n 4\n",
    "Prereq:": b"Prereq: 2.7\n" + N + F,
    "an indented Prereq:": b"Words\n  Prereq: 2.7\n" + N + F,
    "a plain diff without a prefix before one with it": b"--- y\n+++ y\n" + F + N + F,
    "a new file without a prefix before one with it": b"--- /dev/null\n+++ n\n" + NEW + D + INDEX + N + F,
    "a blank in the names of a move": b"diff --git a/x y b/z w\nrename from x y\nrename to z w\n",
    "a blank in one name of a copy": b"diff --git a/x b/n b\ncopy from x\ncopy to n b\n",
    "one of two names in quotes": b'diff --git "a/e" b/e\ndeleted file mode 100644\nindex e69de29..0000000\n',
    "two files in a first line alone": b"diff --git a/n b/n.orig\nnew file mode 100644\nindex 0000000..e69de29\n",
    "an index line with more behind its mode": D + b"index 1234567..89abcde 100644 x\n" + N + F,
    "Index: before a copy with a blank": b"Index: a/x\ndiff --git a/x b/n b\ncopy from x\ncopy to n b\n",
    "a quote that nothing ends": b'--- "a/x\n+++ "b/x\n' + F,
    "a file that is moved and then changed": b"diff --git a/x b/n\nsimilarity index 100%\nrename from x\nrename to n\n"
    + b"diff --git a/n b/n\n--- a/n\n+++ b/n\n"
    + F,
    "a file that is copied to itself": D + b"copy from x\ncopy to x\n" + N + F,
    "a hunk that changes nothing": N + F + b"@@ -9,3 +9,3 @@\n 9\n 10\n 11\n",
    "a hunk of no lines": N + F + b"@@ -9,0 +9,0 @@\n",
    "a file that becomes a folder": b"--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n--- /dev/null\n+++ b/n/m\n" + NEW,
    "a file that moves into a folder of its name": b"diff --git a/k b/k/m\nsimilarity index 100%\nrename from k\n"
    b"rename to k/m\n",
    "a blank in an empty file's name": b"diff --git a/x y b/x y\ndeleted file mode 100644\nindex e69de29..0000000\n",
    "a CR behind the first line": b"diff --git a/e b/e\r\ndeleted file mode 100644\nindex e69de29..0000000\n",
    "a new file in two hunks": b"--- /dev/null\n+++ b/n\n" + NEW + b"@@ -0,0 +2 @@\n+z\n",
    "a file that goes in two hunks": b"--- a/k\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n@@ -2 +0,0 @@\n-2\n",
    "a new file from line 5": b"--- /dev/null\n+++ b/n\n@@ -5,0 +5 @@\n+a\n",
    "a full file that goes without lines": b"diff --git a/x b/x\ndeleted file mode 100644\nindex 1234567..0000000\n",
    "a full file that comes without its lines": b"diff --git a/n b/n\nnew file mode 100644\nindex 0000000..1234567\n",
    "a move with names and no hunk": b"diff --git a/k b/n\nrename from k\nrename to n\n--- a/k\n+++ b/n\n",
    "a file that is changed and then goes": D + INDEX + N + F + b"--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n",
    "CRLF in a mail with other headers first": b"X-A: 1\nX-B: 2\nX-C: 3\n"
    + MAIL
    + b"\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+y\r\n",
    "an index line with a mode beside a change of mode": D
    + b"old mode 100644\nnew mode 100755\nindex 1234567..89abcde 100644\n"
    + N
    + F,
    "attributes of git and a file they are about": ATTRIBUTES + b"--- /dev/null\n+++ b/d/n\n" + NEW,
    "attributes that move, and a file in their folder": b"diff --git a/d/.gitattributes b/d/q\nsimilarity index 100%\n"
    b"rename from d/.gitattributes\nrename to d/q\n--- a/d/e/x\n+++ b/d/e/x\n" + F,
    "git's own folder": b"--- /dev/null\n+++ b/.git/hooks/post-merge\n" + NEW,
    "git's own folder further down": b"--- /dev/null\n+++ b/d/.GIT/config\n" + NEW,
    "binary content behind a change of mode and names": D + b"old mode 100644\nnew mode 100755\n" + INDEX + N + BINARY,
    "words in UTF-7": MAIL + SET % b"utf-7" + b"\n+AGQ-iff --git a/k b/k\n" + MODES + D + INDEX + N + F,
    "words in ISO-2022-JP": MAIL + SET % b'"ISO-2022-JP"' + b"\n\x1b(Bdiff --git a/k b/k\n" + MODES + D + INDEX + N + F,
    "words in EBCDIC": MAIL + SET % b"IBM037" + b"\n\x84\x89\x86\x86\x40\x60\n" + N + F,
    "one mode before and after": D + b"old mode 100755\nnew mode 100755\n" + N + F,
    "a copy that is a new file": b"diff --git a/x b/n\nnew file mode 100755\ncopy from x\ncopy to n\n",
    "a move of a file that goes": b"diff --git a/x b/n\ndeleted file mode 100644\nrename from x\nrename to n\n",
    "two index lines": b"diff --git a/e b/e\ndeleted file mode 100644\nindex e69de29..0000000\n"
    b"index e69de29..e69de29\n",
    "two index lines with a change": D + INDEX + INDEX + N + F,
    "a tilde in Shift-JIS": MAIL + SET % b"Shift_JIS" + b"\ndiff --git a/k~ b/k~\n" + MODES,
    "an empty file of such a name that goes": MAIL
    + SET % b"shift-jis"
    + b"\ndiff --git a/k~ b/k~\ndeleted file mode 100644\nindex e69de29..0000000\n",
    "words in a set that is not known here": MAIL + SET % b"x-other" + b"\n" + N + F,
    "words in UTF-7 and no other change": MAIL + SET % b"utf-7" + b"\n+AGQ-iff --git a/k b/k\n" + MODES,
    "words in UTF-7 in a later mail": FROM + MAIL + b"\n" + N + F + FROM + MAIL + SET % b"utf-7" + ENCODED,
    "words in UTF-7 in a part": MAIL
    + b'Content-Type: multipart/mixed; boundary="q"\n\n--q\n'
    + SET % b"utf-7"
    + b"\n+AGQ-iff --git a/k b/k\n"
    + MODES
    + b"--q--\n"
    + N
    + F,
    "a NUL byte in an encoded line": MAIL
    + b"Content-Transfer-Encoding: quoted-printable\n\ndi\0\nff --git a/k b/k\n"
    + MODES
    + D
    + INDEX
    + N
    + F,
    "an index line in words behind an empty file": b"diff --git a/e b/e\ndeleted file mode 100644\n"
    b"index e69de29..0000000\nWords\nindex 0000000..1234567\n",
    "an index line in words behind a new empty file": b"diff --git a/n b/n\nnew file mode 100644\n"
    b"index 0000000..e69de29\n-- \n2.39\n\nindex 1234567..0000000\n" + D + INDEX + N + F,
    "a null device in quotes and escapes": b'--- a/k\n+++ "/\\144ev/null"\n' + GONE,
    "an index line with a mode that no file has": D + b"index 1234567..89abcde 040000\n" + N + F,
    "a name in two quotes": b'--- a/x\n+++ ""b/x""\n' + F,
    "words right behind quotes": b'--- "a/x"y\n+++ "b/x"\n' + F,
    "words behind quotes in a first line": b'diff --git "a/d/\\150" "b/n"x\nsimilarity index 100%\n'
    b'rename from "d/\\150"\nrename to n\n',
    "words behind the first quotes of a move": b'diff --git "a/d/\\150" b/n\nrename from "d/\\150"x\nrename to n\n',
    "a first line with one prefix": b"diff --git a/x x\nold mode 100644\nnew mode 100755\n",
    "git's own folder as a stream": b"--- /dev/null\n+++ b/.git::$INDEX_ALLOCATION/config\n" + NEW,
    "a file that goes by git's header and comes without": REMOVED + b"--- /dev/null\n+++ b/n\n" + NEW,
    "a mode line of a combined diff": D + b"mode 100644..100755\n" + N + F,
    "a mode line of a combined diff behind others": b"diff --git a/x b/n\nmode change 100644..100755\nrename from x\n"
    b"rename to n\n--- a/x\n+++ b/n\n" + F,
    "a line without an end that may be a link": N + LINK,
    "a file that may be a link": D + N + LINK,
    "a link that may go": b"--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n\\ No newline at end of file\n",
    **{
        f"a move without two names behind {first!r}": first + b"similarity index 100%\nrename from k\nrename to z\n"
        for first in (b"diff --git a/k\n", b"diff --git a/kb/z\n", b"diff --git \n", b"diff --git a/k\0b/z\n")
    },
    "a copy without two names": b"diff --git a/k\ncopy from k\ncopy to z\n",
    "a link that points nowhere": b"diff --git a/n b/n\nnew file mode 120000\nindex 0000000..e69de29\n",
    "a link whose place is taken away": b"diff --git a/l b/l\nindex 1a01073..f4f8d1e 120000\n--- a/l\n+++ b/l\n"
    b"@@ -1 +0,0 @@\n-f\n\\ No newline at end of file\n",
    "two ends of one file": N + b"@@ -1 +1,2 @@\n 1\n+2\n" + N + b"@@ -1 +1,2 @@\n 1\n+3\n",
    "an end of a file that goes on": N + b"@@ -1,2 +1,2 @@\n 1\n-2\n+a\n" + N + b"@@ -2,3 +2,3 @@\n a\n-3\n+b\n 4\n",
    "a new file that is longer": b"--- /dev/null\n+++ b/x\n" + NEW + N + F,
    "a CR at a command alone": b"--- a/x\n1c1\r\n< 1\n---\n> b\r\n",
    "a CR at the range of a context diff alone": b"*** a/x\n--- b/x\n***************\n*** 1 ****\r\n! 1\n--- 1 ----\n"
    b"! b\r\n",
    "a move with one prefix": b"Index: k\ndiff --git k b/n\nsimilarity index 100%\nrename from k\nrename to n\n",
    "a file that is left empty": b"--- a/k\n+++ b/k\n" + GONE,
    "words after the last part": MAIL + b'Content-Type: multipart/mixed; boundary="q"\n\n--q\n\nwords\n--q--\n' + N + F,
}
ENCODINGS = [
    b"Content-Transfer-Encoding: quoted-printable \n",
    b"Content-Transfer-Encoding:\n quoted-printable\n",
    b"Content-Transfer-Encoding: quoted-printable; x\n",
    b"Content-Transfer-Encoding: x-quoted-printable\n",
    b'Content-Transfer-Encoding: "quoted-printable"\n',
    b"Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: quoted-printable\n",
    b"Content-Transfer-Encoding: quoted-printable\n>From x\n",
    b"Content-Transfer-Encoding: =?utf-8?q?quoted-?= =?utf-8?q?printable?=\n",
    b"Content-Transfer-Encoding: =?utf-7?q?quoted+AC0-printable?=\n",
    b"Content-Transfer-Encoding: =?utf-8 ?q?quoted=2Dprintable?=\n",
]


PLAIN = [
    N + b"@@ -1 +1,2 @@\n 1\n+2\n" + N + b"@@ -2 +2,2 @@\n 2\n+3\n",
    N + b"@@ -1,2 +1,2 @@\n-1\n+a\n 2\n" + N + b"@@ -3,2 +3,2 @@\n 3\n-4\n+b\n",
    b"diff --git a/k\nrename from k\nrename to z\n--- a/k\n+++ b/z\n" + F,
    D + INDEX + N + LINK,
    N + LINK.replace(b"@@\n-old\n\\ No newline at end of file\n", b"@@\n-old\n"),
    D + INDEX + N + F + b"\nindex 1234567..0000000\n",
    b"diff --git a/e b/e\ndeleted file mode 100644\nindex e69de29..0000000\n\nindexed words\n",
    ATTRIBUTES,
    ATTRIBUTES + b"--- /dev/null\n+++ b/e/n\n" + NEW,
    ATTRIBUTES.replace(b".gitattributes", b"my.gitattributes") + b"--- /dev/null\n+++ b/d/n\n" + NEW,
    b"--- /dev/null\n+++ b/.github/n\n" + NEW,
    *(
        MAIL + SET % name + b"\nW\xf6rter.\n---\n" + D + INDEX + N + F
        for name in (b"iso-8859-1", b"Windows-1252", b'"koi8-r"', b"GB2312", b"big5", b"us-ascii", b"utf-8", b"EUC-JP")
    ),
]


def doubted(data: bytes) -> bool:
    diff = parse(data)
    assert diff.to_bytes() == data
    facts = summary(diff)
    return bool(facts["ambiguous"] or facts["unusual"])


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_tools_do_differently_is_never_plain(case: str) -> None:
    assert doubted(DOUBTFUL[case])


def test_a_cr_of_a_command_is_said_at_its_file() -> None:
    for case in DOUBTFUL:
        assert ("crlf-headers" in parse(DOUBTFUL[case]).codes) >= case.startswith("a CR at ")


@pytest.mark.parametrize("data", PLAIN)
def test_what_tools_do_alike_is_plain(data: bytes) -> None:
    assert not doubted(data)


def test_binary_content_behind_names_is_no_word_between_files() -> None:
    data = D + MODES + INDEX + N + BINARY
    diff = parse(data)
    [file] = diff.files
    assert file.binary
    assert b"".join(file.trailer) == BINARY
    assert canonical(diff).data is None


@pytest.mark.parametrize("header", ENCODINGS)
def test_an_encoding_that_git_finds_is_decoded_or_doubted(header: bytes) -> None:
    diff = parse(MAIL + header + ENCODED)
    assert b"+y=b\n" in b"".join(
        raw for file in diff.files for hunk in file.hunks for raw in hunk.raw_lines
    ) or doubted(MAIL + header + ENCODED)


def test_flowed_lines_are_joined_as_git_am_joins_them() -> None:
    head = MAIL + b"Content-Type: text/plain; format=flowed\n\n"
    diff = parse(head + b"--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+y \nmore = true\n")
    [file] = diff.files
    assert file.hunks[0].raw_lines == (b"+y more = true\n",)
    assert "encoded-differs" in diff.codes


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"a \nb\n", b"a b\n"),
        (b"a \nb \nc\n", b"a b c\n"),
        (b" a\n  b\n", b"a\n b\n"),
        (b"a \r\nb\r\n", b"a b\r\n"),
        (b"a \n-- \nb\n", b"a -- \nb\n"),
        (b" -- \nb\n", b"-- b\n"),
        (b"a \n -- \nb\n", b"a -- b\n"),
        (b"a\n-- \n b\n", b"a\n-- \nb\n"),
        (b"a \r\n\nb\n", b"a \nb\n"),
        (b"a \n", b"a "),
        (b"-- ", b"-- "),
        (b"-- \nb\n", b"-- \nb\n"),
        (b" \nb\n", b"\nb\n"),
        (b"a \n b\n", b"a b\n"),
        (b"a \n\n\n", b"a \n\n"),
    ],
)
def test_flowed_text_is_unstuffed_and_joined(sent: bytes, read: bytes) -> None:
    assert unflowed(sent, drops_blank=False) == read


@pytest.mark.parametrize(
    "data",
    [
        D + b"--- a/x\nrename new q\n" + F,
        b"+++ /dev/null\n--- a/k\n" + GONE,
        b"--- /dev/null\n+++ b/n\n",
        b"--- a/x\r\n+++ b/x\r\n" + F.replace(b"\n", b"\r\n"),
        b"*** a/x\n--- b/x\n***************\n*** 0 ****\n--- 1 ----\n! q\n",
        D + INDEX + N + F + b"@@@@ -9,3 +9,3 @@\n 9\n-10\n+ten\n 11\n",
        ATTRIBUTES + b"--- /dev/null\n+++ b/d/n\n" + NEW,
        b"--- /dev/null\n+++ b/.git/hooks/post-merge\n" + NEW,
        D + MODES + b"index 1234567..89abcde 100644\n" + N + F,
        REMOVED + ADDED + b"diff --git a/n b/m\nsimilarity index 90%\ncopy from n\ncopy to m\n",
    ],
)
def test_where_tools_may_differ_there_is_no_canonical_form(data: bytes) -> None:
    assert canonical(parse(data)).data is None


@pytest.mark.parametrize(
    "change", [b"deleted file mode 100644\nindex e69de29..0000000\n", b"new file mode 100644\nindex 0000000..e69de29\n"]
)
def test_an_empty_file_keeps_the_line_by_which_patch_knows_it(change: bytes) -> None:
    data = b"diff --git a/e b/e\n" + change
    form = canonical(parse(data)).data
    assert form is not None
    assert b"\nindex " in form
    assert canonical(parse(form)).data == form
