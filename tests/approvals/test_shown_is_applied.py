"""What other tools would apply of a patch stands on its page, and the API gives the change alone."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from approvals.models import Decision, Patch, User
from tests.cast import Api

pytestmark = pytest.mark.django_db

Make = Callable[..., Decision]
HUNK = "@@ -1,3 +1,3 @@\n 1\n-a\n+b\n 3\n"
PLAIN = f"--- a/x\n+++ b/x\n{HUNK}"
MAIL = "From: Ada <ada@example.org>\nSubject: [PATCH] Fix\nContent-Transfer-Encoding: base64\n\n"


@pytest.fixture
def page(make_patch: Make, sign_in: Callable[[User], Any], alice: User) -> Callable[[str], str]:
    """Return a function that gives the patch page of a diff as a reviewer sees it."""

    def show(diff: str) -> str:
        decision = make_patch(diff=diff)
        return str(sign_in(alice).get(f"/patches/{decision.decision_id}").content.decode())

    return show


@pytest.mark.parametrize(
    "hidden",
    [
        "Index: a/setup.py\n3c3\n< a\n---\n> b\n\n",
        "Index: a/setup.py\n3c\nb\n.\n\n",
        "".join(f"    {line}\n" for line in f"--- a/setup.py\n+++ b/setup.py\n{HUNK}".splitlines()) + "\n",
    ],
)
def test_what_gnu_patch_finds_in_the_message_is_a_file_on_the_page(page: Callable[[str], str], hidden: str) -> None:
    shown = page(f"Fix the comparison.\n\n{hidden}{PLAIN}")
    assert 'aria-label="setup.py"' in shown
    assert "GNU patch changes setup.py" in shown
    assert "2 files" in shown


def test_an_encoded_mail_is_shown_as_git_am_decodes_it(page: Callable[[str], str]) -> None:
    shown = page(MAIL + b64encode(f"Why.\n---\n{PLAIN}".encode()).decode() + "\n")
    assert 'aria-label="x"' in shown
    assert "This mail is encoded (base64)" in shown


@pytest.mark.parametrize(
    "diff",
    ["\x1b[1m--- a/x\x1b[m\n\x1b[1m+++ b/x\x1b[m\n\x1b[36m@@ -1 +1 @@\x1b[m\n\x1b[31m-a\x1b[m\n", "only words\n"],
)
def test_bytes_that_are_no_diff_are_not_called_none(page: Callable[[str], str], diff: str) -> None:
    shown = page(diff)
    assert "sent no diff" not in shown
    assert "in which no tool finds a diff" in shown


def test_the_canonical_form_has_the_digest_that_record_and_page_name(
    producer_api: Api, page: Callable[[str], str]
) -> None:
    answer = producer_api.post(
        "/hitl/patches",
        {
            "patch_id": "P",
            "patch_metadata": {"apv_id": "A", "severity": "low", "package_name": "p"},
            "diff": f"Why.\n\n{PLAIN}",
        },
    ).json()
    form = producer_api.get("/hitl/patches/P/diff?form=canonical")
    assert form.content.decode() == f"diff --git a/x b/x\n{PLAIN}"
    digest = sha256(form.content).hexdigest()
    assert answer["canonical_sha256"] == digest
    assert producer_api.get(f"/hitl/decisions/{answer['decision_id']}").json()["canonical_sha256"] == digest
    assert producer_api.get("/hitl/patches/P/diff").content.decode() == f"Why.\n\n{PLAIN}"
    assert digest[:16] in page(PLAIN)


def test_where_no_form_is_safe_the_answer_says_why(producer_api: Api, make_patch: Make) -> None:
    make_patch(diff=f"--- a/x\n+++ b/y\n{HUNK}", patch_id="P")
    refused = producer_api.get("/hitl/patches/P/diff?form=canonical")
    assert refused.status_code == 409
    assert "name different files" in refused.json()["detail"]
    record = producer_api.get("/hitl/patches/P").json()
    assert (record["canonical_sha256"], record["ambiguous"]) == (None, record["no_canonical"])


def test_the_queue_narrows_to_what_asks_for_a_careful_look(
    make_patch: Make, sign_in: Callable[[User], Any], alice: User
) -> None:
    make_patch(title="Plain", diff=PLAIN)
    make_patch(title="Twofold", diff=f"--- a/x\n+++ b/y\n{HUNK}")
    shown = sign_in(alice).get("/", {"careful": "on"}).content.decode()
    assert "Twofold" in shown
    assert "Plain" not in shown
    assert "Tools read it differently" in shown
    assert Patch.objects.get(title="Plain").worst_mark == ""
