"""A weakness in every common spelling, by number and by the name of its class: what filter and search find."""

import pytest

from approvals.models import Patch
from tests.cast import document

pytestmark = pytest.mark.django_db

SQL = ["CWE-89", "cwe89", "CWE 89", "89", "CWE-089", "external/cwe/cwe-089", "CWE_89", "cwe:89", "ＣＷＥ\u201189"]
SQL += ["CWE-89: SQL Injection", "https://cwe.mitre.org/data/definitions/89.html", "SQLi", "sql injection"]
SQL += ["CWE ID 89", "cwe-id: 89", "SQL Injection (SQLi)", "Improper Neutralization of Elements ('SQL Injection')"]


def found(api, **query):
    return [row["patch_id"] for row in api.get("/hitl/patches/pending", **query).json()]


@pytest.mark.parametrize("sent", SQL)
def test_a_weakness_is_found_however_it_was_sent(producer_api, sent):
    producer_api.post("/hitl/patches", document(cwe_ids=[sent, "CWE-79: Cross-site Scripting (XSS)"]))
    assert Patch.objects.get().cwe_ids == ["CWE-89", "CWE-79"]
    for cwe in ("CWE-89", "CWE-79", "SQLi", "xss"):
        assert found(producer_api, cwe=cwe) == ["PATCH-0001"]
    assert found(producer_api, cwe="CWE-8") == []


@pytest.mark.parametrize("asked", SQL)
def test_a_filter_takes_every_spelling_and_the_class(producer_api, asked):
    producer_api.post("/hitl/patches", document(cwe_ids=["CWE-89"]))
    assert found(producer_api, cwe=asked) == ["PATCH-0001"]


@pytest.mark.parametrize("sent", ["CWE-89/79", "CWE-89, 79", "CWE-89 & CWE-79"])
def test_two_weaknesses_in_one_field_are_two(producer_api, sent):
    producer_api.post("/hitl/patches", document(cwe_ids=[sent]))
    assert Patch.objects.get().cwe_ids == ["CWE-89", "CWE-79"]


CLASSES = {
    "xss": "CWE-79",
    "RCE": "CWE-78",
    "SSRF": "CWE-918",
    "XXE": "CWE-611",
    "CSRF": "CWE-352",
    "path traversal": "CWE-22",
    "path-traversal": "CWE-22",
    "Directory Traversal": "CWE-22",
    "deserialization": "CWE-502",
    "Use After Free": "CWE-416",
    "open redirect": "CWE-601",
}


@pytest.mark.parametrize(("name", "cwe"), CLASSES.items())
def test_filter_and_search_find_a_class_by_its_name(producer_api, name, cwe):
    producer_api.post("/hitl/patches", document(cwe_ids=[cwe], title="A fix"))
    producer_api.post("/hitl/patches", document(patch_id="other", cwe_ids=["CWE-1004"], title="Another"))
    assert found(producer_api, cwe=name) == ["PATCH-0001"]
    assert found(producer_api, q=name) == ["PATCH-0001"]
    assert found(producer_api, q=f"{name.replace(' ', '-')} flask") == ["PATCH-0001"]


def test_a_search_for_a_class_still_finds_the_word_itself(producer_api):
    producer_api.post("/hitl/patches", document(title="Mend an SQLi in login"))
    assert found(producer_api, q="sqli") == found(producer_api, q="sqli login") == ["PATCH-0001"]
    assert found(producer_api, q="sqli logout") == []


@pytest.mark.parametrize("typed", ["cwe89", "CWE-89", "cwe-089"])
def test_search_takes_the_spellings_of_a_number(producer_api, typed):
    producer_api.post("/hitl/patches", document(cwe_ids=["CWE-89"]))
    assert found(producer_api, q=typed) == ["PATCH-0001"]


@pytest.mark.parametrize("sent", ["NVD-CWE-noinfo", "NVD-CWE-Other", "Something of ours"])
def test_what_is_no_number_and_no_class_is_kept_as_sent_and_found(producer_api, sent):
    producer_api.post("/hitl/patches", document(cwe_ids=[sent]))
    assert Patch.objects.get().cwe_ids == [sent]
    assert found(producer_api, cwe=sent) == ["PATCH-0001"]
