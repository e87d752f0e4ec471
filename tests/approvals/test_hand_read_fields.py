"""What a view reads from a form by hand: a character that no text of the database takes is refused."""

import pytest
from django.urls import reverse

from approvals.models import KillSwitch, SavedView, ViewedFile

pytestmark = pytest.mark.django_db
NUL = "\x00"


@pytest.mark.parametrize(
    ("name", "sent", "status"),
    [
        ("patch-viewed", {"file": NUL * 64, "viewed": "on"}, 422),
        ("patch-viewed", {"file": "A" * 64}, 422),
        ("patch-viewed", {"file": "é" * 64, "viewed": "on"}, 422),
        ("view-save", {"name": f"Mine{NUL}"}, 302),
        ("view-save", {"name": "Mine", "query": f"?severity={NUL}"}, 302),
        ("policy-switch", {"to": "stop", "reason": f"It{NUL}"}, 302),
        ("policy-switch", {"to": f"stop{NUL}", "reason": f"It{NUL}"}, 302),
        ("bulk", {"items": f"{NUL}:{NUL}", "verdict": "reject"}, 400),
        ("bulk", {"same_lines": NUL, "verdict": "reject"}, 404),
        ("bulk", {"items": "DECISION:" + NUL, "verdict": "reject", "reason": "No.", "category": "other"}, 200),
        ("bulk", {"items": "DECISION:" + NUL, "verdict": "approve", "confirmed": "1"}, 200),
        ("patch-confirm", {"by": NUL, "text": NUL}, 302),
        ("patch-comment", {"text": "Said.", "file": NUL, "anchor": NUL}, 422),
        ("patch-decide", {"verdict": "approve", "patch_sha256": NUL * 64, "displayed": NUL}, 422),
        ("theme", {"theme": NUL}, 422),
        ("confirm", {"password": NUL, "next": NUL}, 422),
        ("login", {"username": NUL, "password": "x"}, 302),
    ],
)
def test_a_nul_breaks_no_form(sign_in, lena, make_patch, name, sent, status):
    decision, client = make_patch(), sign_in(lena)
    args = [decision.decision_id] if name.startswith("patch-") else []
    body = {field: value.replace("DECISION", str(decision.decision_id)) for field, value in sent.items()}
    assert client.post(reverse(name, args=args), body).status_code == status
    assert not ViewedFile.objects.exists()
    assert SavedView.objects.count() == (sent.get("name") == "Mine")
    assert not KillSwitch.objects.filter(stopped=True).exists()
