"""CISA's catalogue as it comes: repeated rows, odd rows, rows for nothing we have."""

from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from approvals.errors import Invalid
from approvals.models import Decision, KnownExploited, Patch, Priority
from approvals.services.kev import import_catalogue
from audit.models import Entry
from audit.queries import body_of
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db


def row(cve: object = "CVE-2024-0001", **more: object) -> dict[str, object]:
    return {"cveID": cve, "vulnerabilityName": "Flask", "dateAdded": "2026-11-19", "dueDate": "2026-12-10", **more}


def load(*rows: Any, **more: object) -> tuple[int, int]:
    return import_catalogue({"vulnerabilities": list(rows), **more}, actor=SYSTEM, now=timezone.now())


def test_every_column_is_stored():
    load(
        row(knownRansomwareCampaignUse="Known"), row("CVE-2024-0002", dueDate="", knownRansomwareCampaignUse="Unknown")
    )
    first, second = KnownExploited.objects.order_by("cve_id")
    assert (first.name, first.added_on, first.due_on) == ("Flask", date(2026, 11, 19), date(2026, 12, 10))
    assert (first.ransomware, second.ransomware, second.due_on) == (True, False, None)


def test_a_cve_listed_twice_is_stored_once():
    assert load(row(), row(vulnerabilityName="Flask, corrected")) == (1, 0)
    assert KnownExploited.objects.get().name == "Flask, corrected"


def test_an_id_in_another_case_is_the_same_cve(make_patch):
    decision = make_patch(severity="low", cve_id="CVE-2024-0001")
    assert load(row("cve-2024-0001 ")) == (1, 1)
    assert Decision.objects.get(pk=decision.pk).priority == Priority.HIGH


@pytest.mark.parametrize(
    "bad",
    [
        {"cveID": "CVE-1"},
        row(dateAdded="soon"),
        row(dateAdded=None),
        row(None),
        row(7),
        row("x" * 31),
        row("CVE-\x00"),
        row(vulnerabilityName="a\x00b"),
        row(vulnerabilityName=7),
        [],
        "CVE-2024-0001",
        None,
    ],
)
def test_an_odd_row_refuses_the_whole_catalogue_and_stores_nothing(make_patch, bad):
    make_patch(cve_id="CVE-2024-0001")
    with pytest.raises(Invalid):
        load(row(), bad)
    assert not KnownExploited.objects.exists()
    assert not Patch.objects.filter(known_exploited=True).exists()


@pytest.mark.parametrize("document", [{}, [], None, "x", {"vulnerabilities": None}, {"vulnerabilities": 5}])
def test_what_is_no_catalogue_is_refused(document):
    with pytest.raises(Invalid):
        import_catalogue(document, actor=SYSTEM, now=timezone.now())


def test_what_the_last_import_missed_is_raised_by_the_next(make_patch):
    """Somebody held the decision locked, or it came in before that import had committed."""
    decision = make_patch(severity="low", cve_id="CVE-2024-0001")
    KnownExploited.objects.create(cve_id="CVE-2024-0001", added_on=date(2026, 11, 19), imported_at=timezone.now())
    assert load(row()) == (0, 1)
    assert Decision.objects.get(pk=decision.pk).priority == Priority.HIGH
    assert load(row()) == (0, 0)


def test_decided_patches_keep_their_priority_but_are_marked(make_patch, approve, alice):
    decision = approve(make_patch(severity="low", cve_id="CVE-2024-0001"), alice)
    assert load(row()) == (1, 0)
    assert Decision.objects.get(pk=decision.pk).priority == Priority.LOW
    assert Patch.objects.get().known_exploited


def test_the_import_is_an_entry_with_its_numbers(make_patch):
    make_patch(severity="low", cve_id="CVE-2024-0001")
    load(row(), row("CVE-2024-0002"), catalogVersion="2026.11.20")
    assert body_of(Entry.objects.get(type="kev.imported"))["data"] == {"rows": 2, "new": 2, "raised": 1}
