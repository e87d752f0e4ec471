"""Mails are decoded as `git am` decodes them, and what stands in them is shown or doubted."""

import base64
import random
import shutil
from pathlib import Path

import pytest

from approvals.diff.mail import decoded_mail
from approvals.diff.parse import parse
from approvals.diff.summary import summary
from tests.approvals.diff.tools import run

TOOLS = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
FIRST = b"From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001\n"
HEAD = b"From: A <a@b.example>\nSubject: s\n"
CHANGE = b"--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n 1\n-a \n+b \n 4=3D\n"
ENCODED = base64.encodebytes(b"m\n---\n" + CHANGE)
GONE = b"deleted file mode 100644\nindex e69de29..0000000\n"
PART = b"\n--q\nContent-Transfer-Encoding: base64\n\n" + ENCODED

MAILS = {
    "a boundary in plain text": HEAD + b"Content-Type: text/plain; boundary=q\n" + PART + b"--q--\n",
    "a boundary that is the beginning of a line": HEAD
    + b"Content-Type: x; boundary=q\n"
    + PART.replace(b"--q", b"--qq"),
    "parts within parts": HEAD
    + b'Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed;\n boundary="q"\n'
    + PART
    + b"--q--\nwords\n--o\n\n"
    + CHANGE
    + b"--o--\n"
    + CHANGE,
    "a part without an empty line": HEAD + b"Content-Type: multipart/mixed; boundary=q\n\n--q\nwords\n" + CHANGE,
    "a folded boundary with two blanks": HEAD
    + b'Content-Type: multipart/mixed; boundary="q\n  z"\n\n--q z\n\nm\n--q  z\n'
    + b"Content-Transfer-Encoding: base64\n\n"
    + ENCODED
    + b"--q  z--\n",
    "an encoded word for an encoding": HEAD + b"Content-Transfer-Encoding: =?utf-8?q?base64?=\n\n" + ENCODED,
    "an equals sign before an escape": HEAD
    + b"Content-Transfer-Encoding: quoted-printable\n\nm\n"
    + CHANGE
    + b" ==41\n",
    "two encodings, of which the last counts": HEAD
    + b"Content-Transfer-Encoding: quoted-printable\nContent-Transfer-Encoding: 7bit\n\nm\n"
    + CHANGE,
    "uneven lines of base64": HEAD
    + b"Content-Transfer-Encoding: base64\n\n"
    + base64.b64encode(b"m\n---\n" + CHANGE[:5])
    + b"A\n--\n"
    + base64.b64encode(CHANGE[5:]),
    "flowed and quoted": HEAD
    + b"Content-Type: text/plain; format=flowed; delsp=yes\nContent-Transfer-Encoding: quoted-printable\n\nm\n"
    + CHANGE,
    "a name in another character set": HEAD
    + b"Content-Type: text/plain; charset=utf-7\n\nm\n\ndiff --git a/+AGU- b/+AGU-\n"
    + GONE,
    "two blanks before the sender": FIRST
    + HEAD
    + b"\nm\n---\n"
    + CHANGE
    + b"From  abc Mon Sep 17 00:00:00 2001\n"
    + HEAD
    + b"Content-Transfer-Encoding: base64\n\n"
    + ENCODED,
    "a year before mails": FIRST + HEAD + b"\nm\n---\n" + CHANGE + b"From abcdefghijklmn 12:34:56 89\n" + HEAD + PART,
}
PLAIN = ("a part without an empty line", "two encodings, of which the last counts", "a year before mails")
"""Mails in which every tool reads the same change."""


def patches(folder: Path, data: bytes) -> list[bytes]:
    """Return what git takes for the patch of each mail."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    assert run("git", "mailsplit", "-b", f"-o{folder}", folder=folder, data=data).returncode == 0
    found = []
    for mail in sorted(folder.glob("0*")):
        run("git", "mailinfo", "msg", "patch", folder=folder, data=mail.read_bytes())
        found.append((folder / "patch").read_bytes())
    return found


def read(data: bytes) -> bytes:
    """Return the text in which we read changes."""
    mail = decoded_mail(data)
    return mail.data if mail else data


@TOOLS
@pytest.mark.parametrize("case", MAILS)
def test_what_git_takes_for_the_patch_is_what_we_read(case: str, tmp_path: Path) -> None:
    found = patches(tmp_path / "mails", MAILS[case])
    assert any(found)
    assert all(patch in read(MAILS[case]) for patch in found)


@pytest.mark.parametrize("case", [case for case in MAILS if case not in PLAIN])
def test_what_only_git_am_reads_is_shown_and_doubted(case: str) -> None:
    diff = parse(MAILS[case])
    assert diff.to_bytes() == MAILS[case]
    assert diff.files
    assert summary(diff)["ambiguous"]


def test_a_line_of_the_message_that_is_no_mail_begins_none() -> None:
    assert b"SGVsbG8" in read(
        FIRST + HEAD + b"\nFrom abcdefghijklmn 12:34:56 89\n" + HEAD + b"Content-Transfer-Encoding: base64\n\nSGVsbG8\n"
    )


@pytest.mark.parametrize("year", [b"9" * 5_000, b"0" * 5_000 + b"91", b"-" + b"9" * 5_000])
def test_a_year_of_any_length_is_read(year: bytes) -> None:
    later = b"From abcdefghijklmn 12:34:56 " + year + b"\n" + HEAD + b"Content-Transfer-Encoding: base64\n\n"
    mail = FIRST + HEAD + b"\nm\n" + later + ENCODED
    assert parse(mail).to_bytes() == mail
    assert (CHANGE in read(mail)) == (not year.startswith(b"-"))


@pytest.mark.parametrize("blank", [b"\f\n", b"\v"])
def test_what_git_takes_for_no_blank_makes_a_text_of_a_mail(blank: bytes) -> None:
    mail = blank + HEAD + b"Content-Type: multipart/mixed; boundary=q\n\n" + CHANGE
    assert [file.path for file in parse(mail).files] == ["x"]


@pytest.mark.parametrize("change", [b"rename from k\nrename to n\n", b"old mode 100644\nnew mode 100755\n", GONE])
def test_a_change_without_a_hunk_in_an_encoded_mail_is_doubted(change: bytes) -> None:
    text = b"m\n---\ndiff --git a/k b/n\n" + change
    diff = parse(HEAD + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(text))
    assert "encoded-differs" in diff.codes


def test_a_name_that_is_written_otherwise_in_an_encoded_mail_is_doubted() -> None:
    mail = HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n---\n"
    assert "encoded-differs" in parse(mail + CHANGE.replace(b"/x", b"/x=3Dy").replace(b"=3D\n", b"\n")).codes


def pieces(chance: random.Random) -> bytes:
    """Return a mail put together from header lines, parts and encodings, some of them wrong."""
    lines = [
        *(
            b"Content-Type: text/plain; format=flowed\n",
            b"Content-Transfer-Encoding: base64\n",
            b"Content-Type: x; boundary=q\n",
        ),
        *(b"content-transfer-encoding:\n quoted-printable\n", b"X: y\n", b"Content-Type: text/plain; charset=utf-7\n"),
    ]
    bodies = [
        CHANGE,
        ENCODED,
        b"m\n---\n",
        b"--q\n",
        b"--q--\n",
        b"\n",
        b"-- \n2.39\n",
        b"a=\n",
        b"Q Q\n",
        b"==41 \n",
        *lines,
    ]
    head = HEAD + b"".join(chance.sample(lines, chance.randint(1, 3)))
    return FIRST + head + b"\n" + b"".join(chance.choices(bodies, k=chance.randint(1, 8)))


@TOOLS
def test_mails_put_together_at_random_are_read_as_git_reads_them(tmp_path: Path) -> None:
    chance = random.Random(13)
    for _ in range(60):
        data = pieces(chance)
        assert all(patch in read(data) for patch in patches(tmp_path / "mails", data)), data


LABELLED = b"Content-Transfer-Encoding: base64\n\nFrom: A <a@b.example>\n\nm\n---\n" + CHANGE


def test_a_mail_that_only_says_it_is_encoded_is_shown_as_it_came() -> None:
    diff = parse(LABELLED)
    assert [file.path for file in diff.files] == ["x"]
    assert diff.to_bytes() == LABELLED
    assert "encoded-differs" in diff.codes
    assert summary(diff)["ambiguous"]


def test_files_that_only_tools_change_that_do_not_decode_are_named() -> None:
    mail = HEAD + b"Content-Type: multipart/mixed; boundary=q\n\n" + CHANGE.replace(b"/x", b"/secret") + PART
    diff = parse(mail)
    assert [file.path for file in diff.files] == ["x"]
    [words] = [warning.message for warning in diff.warnings if warning.code == "encoded-differs"]
    assert "secret" in words


def test_a_character_set_that_cannot_be_read_is_still_doubted_where_the_mail_is_shown_as_it_came() -> None:
    assert summary(parse(b"Content-Type: text/plain; charset=utf-7\n" + LABELLED))["ambiguous"]
