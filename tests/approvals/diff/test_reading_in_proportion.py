"""Reading costs in proportion to what is read, whatever stands in it again and again; one kind is bounded by time.

GNU patch looks through all that follows for a change of another kind before it obeys ed's commands, and so do we.
"""

import sys
import time

import pytest

from approvals.diff.parse import parse
from approvals.diff.summary import summary

SMALL, LARGE = 40, 320  # how often a piece stands in a patch
GROWTH = LARGE / SMALL * 1.5  # of the work: 1 is proportion, the rest what is done once

CONTEXT = "*** a{n}\n--- a{n}\n***************\n*** 1 ****\n! a\n--- 1 ----\n! b\n"
UNIFIED = "--- a{n}\n+++ a{n}\n@@ -1 +1 @@\n-a\n+b\n"
NORMAL = "Index: a{n}\n1c1\n< a\n---\n> b\n"
ED = "Index: a{n}\n1c\nb\n.\n"
GIT = "diff --git a/a{n} b/a{n}\nold mode 100644\nnew mode 100755\n"
RENAMED = "diff --git a/a{n} b/b{n}\nrename from a{n}\nrename to b{n}\n"
PLAIN = {"context": CONTEXT, "unified": UNIFIED, "normal": NORMAL, "ed": ED, "git": GIT, "renamed": RENAMED}


def indented(piece: str, by: str = "  ") -> str:
    return "".join(f"{by}{line}" for line in piece.splitlines(keepends=True))


PIECES = {
    **PLAIN,
    **{f"{name}, indented": indented(piece) for name, piece in PLAIN.items()},
    **{f"{name}, behind tabs": indented(piece, "\t") for name, piece in PLAIN.items()},
    **{f"{name}, after words": f"words\n\n{piece}" for name, piece in PLAIN.items()},
    **{f"{name}, one name": piece.replace("{n}", "") for name, piece in PLAIN.items()},
    "unified, nested": "- --- a{n}\t2026-11-30 00:00:00\n- +++ a{n}\n- @@ -1 +1 @@\n- -a\n- +b\n",
    "mails": "From 0 Mon Sep 17 00:00:00 2001\nFrom: a <a@b.example>\nSubject: [PATCH] {n}\n\n---\n" + UNIFIED,
    "headers alone": "--- a{n}\n+++ a{n}\n",
    "git headers alone": "diff --git a/a{n} b/a{n}\n",
    "hunks alone": "@@ -1 +1 @@\n-a\n+b\n",
    "commands alone": "1c1\n",
    "old names": "--- a{n}\n",
    "new names": "+++ a{n}\n",
    "index names": "Index: a{n}\n",
    "hunks without signs": "--- a{n}\n+++ a{n}\n@@ -1,9 +1,9 @@\n",
    "hunks that announce much": "--- a{n}\n+++ a{n}\n@@ -1,99999 +1,99999 @@\n a\n",
    "separators": "---\n",
    "mail heads": "From 0 Mon Sep 17 00:00:00 2001\nFrom: a <a@b.example>\nSubject: {n}\n\n",
    "context rows": "*** a{n}\n--- a{n}\n***************\n",
    "halves": "***************\n*** 1 ****\n--- 1 ----\n",
    "footers": "-- \n2.39.5\n",
    "combined": "diff --cc a{n}\nindex 1,2..3\n--- a/a{n}\n+++ b/a{n}\n@@@ -1 -1 +1 @@@\n- a\n -b\n++c\n",
    "notes": "\\ No newline at end of file\n",
    "added lines": "+a\n",
    "deleted lines": "-a\n",
    "git headers and hunks": "diff --git a/a{n} b/a{n}\nindex 1111111..2222222 100644\n" + UNIFIED,
    "quoted": 'diff --git "a/\\303{n}" "b/\\303{n}"\nold mode 100644\nnew mode 100755\n',
    "property": "Index: a{n}\n===\nProperty changes on: a{n}\n___\nAdded: x\n   + y\n",
    "only in": "Only in a: a{n}\n",
    "submodules": "Submodule a{n} 1111111..2222222:\n  > b\n",
    "prerequisites": "Prereq: {n}\n" + UNIFIED,
    "stars": "***************\n*** {n} ****\n",
    "comments": "# {n}\n",
    "blank lines": "\n",
    "binary": "diff --git a/a{n} b/a{n}\nindex 0000000..1111111\nGIT binary patch\nliteral 0\nHc$@<O00001\n\n",
}


def work(piece, count):
    """Return how many calls of functions it takes to read and judge so many pieces."""
    data = "".join(piece.replace("{n}", f"{n:05}") for n in range(count)).encode()
    calls = 0

    def count_call(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count_call)
    try:
        summary(parse(data, budget_seconds=60))
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("name", PIECES)
def test_reading_eight_times_as_much_is_eight_times_the_work(name):
    assert work(PIECES[name], LARGE) <= GROWTH * work(PIECES[name], SMALL)


@pytest.mark.parametrize("character", ["\u00a0", "\u200b", "a\u200b"])
def test_characters_that_cannot_be_seen_are_not_looked_at_one_by_one(character):
    head = "--- a\n+++ a\n@@ -0,0 +1,999999 @@\n+{n}"
    short, long = (work(head + times * character + "\n", SMALL) for times in (100, 200))
    assert long < short + SMALL * 20


LONG = {
    "a first line whose quote nothing ends": b'diff --git "'
    + b'\\"' * 30_000
    + b"\nold mode 100644\nnew mode 100755\n",
    "flowed lines that go on and on": b"From: a <a@b.example>\nContent-Type: text/plain; format=flowed\n"
    b"Content-Transfer-Encoding: quoted-printable\n\n" + b"a \n" * 150_000,
}


@pytest.mark.parametrize("name", LONG)
def test_one_long_line_takes_no_time_of_its_own(name):
    start = time.thread_time()
    summary(parse(LONG[name]))
    assert time.thread_time() - start < 3


@pytest.mark.parametrize("piece", ["Index: a{n}\n1d\n", "Index: a\n1d\nwords\n", "Index: a{n}\ns/.//\n"])
def test_what_is_searched_to_its_end_each_time_ends_with_the_time(piece):
    data = "".join(piece.replace("{n}", f"{n:05}") for n in range(20_000)).encode()
    assert parse(data).parsed is False
