"""Patches keep the digests of their changed lines, those that came before as well."""

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from approvals.models import Decision, Patch
from tests.cast import DIFF

pytestmark = pytest.mark.django_db

DIGESTS = ("change_sha256", "change_spaceless_sha256", "change_files_sha256", "mark_codes")


def kept(decision: Decision) -> tuple[object, ...]:
    return tuple(Patch.objects.values_list(*DIGESTS).get(pk=decision.patch_id))


def test_patches_of_the_same_lines_have_the_same_digests(make_patch: Callable[..., Decision]) -> None:
    plain, words = kept(make_patch()), kept(make_patch(diff=f"Why.\n\n{DIFF}"))
    assert None not in plain
    assert words == plain
    assert kept(make_patch(diff=DIFF.replace("select", "delete")))[0] != plain[0]


def test_a_gate_and_a_patch_without_lines_have_no_digest(
    make_patch: Callable[..., Decision], make_gate: Callable[..., Decision]
) -> None:
    nothing = make_patch(diff="diff --git a/x b/x\nold mode 100644\nnew mode 100755\n")
    assert kept(nothing)[:3] == (None, None, None)
    assert kept(make_gate())[:3] == (None, None, None)


def test_older_patches_get_theirs_by_a_command_that_may_be_repeated(
    make_patch: Callable[..., Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("approvals.services.same_lines.AT_ONCE", 2)
    decisions = [make_patch(vulnerable_locations=[{"file": "other.py"}]) for _ in range(5)]
    before = kept(decisions[0])
    assert "outside" in str(before)
    Patch.objects.update(**dict.fromkeys(DIGESTS))
    said = StringIO()
    call_command("fill_same_lines", stdout=said)
    call_command("fill_same_lines", stdout=said)
    assert said.getvalue() == "5 patches have their digests now.\n0 patches have their digests now.\n"
    assert [kept(decision) for decision in decisions] == [before] * 5


def test_a_digest_that_was_filled_in_keeps_what_the_producer_sent(make_patch: Callable[..., Decision]) -> None:
    """The columns are derived: the guard that refuses any change of what was sent lets them be written."""
    decision = make_patch()
    with connection.cursor() as cursor:
        cursor.execute("update approvals_patch set change_sha256 = null where id = %s", [decision.patch_id])
    assert Patch.objects.get(pk=decision.patch_id).sha256 == decision.patch.sha256
