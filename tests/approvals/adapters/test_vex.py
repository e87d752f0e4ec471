"""VEX documents: what is approved and deployed is 'fixed', nothing else is said of anything, and the published schemas
and readers take each document."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import vexipy.document
from csaf_lib.verification import VerificationStatus, Verifier
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from django.utils import timezone

from approvals.adapters.vex import product_of, vulnerabilities
from approvals.models import Decision, Patch, Verdict
from tests.cast import Api

pytestmark = pytest.mark.django_db
FORMS = ("openvex", "csaf", "cyclonedx")
RELEASE = {
    "cve_id": "GHSA-jfh8-c2jp-5v3q",
    "aliases": ["CVE-2021-44228", "OSV-2021-1"],
    "package_name": "requests",
    "ecosystem": "PyPI",
    "current_version": "2.30.0",
    "target_version": "2.31.0",
}
IN_PLACE = {
    "cve_id": "CVE-2024-1111",
    "package_name": None,
    "repository": "https://github.com/acme/shop",
    "base_commit": "1f4a2b90",
}


OF_OPENVEX = {"@context", "@id", "author", "role", "timestamp", "last_updated", "version", "tooling", "statements"}
OF_STATEMENTS = {"@id", "version", "vulnerability", "timestamp", "products", "status", "supplier", "status_notes"}
"""What OpenVEX 0.2.0 knows of a document, and of a statement that says 'fixed'."""


@pytest.fixture
def deployed(make_patch, approve, alice, deployer_api):
    """Return a function that takes in a patch, approves it and reports it as deployed."""

    def make(**changes: Any) -> Decision:
        decision: Decision = approve(make_patch(**changes), alice)
        report(deployer_api, decision)
        return decision

    return make


def report(api: Api, decision: Decision, result: str = "deployed", sha256: str = "") -> Any:
    body = {
        "deployed_sha256": sha256 or decision.patch.sha256,
        "result": result,
        "at": (timezone.now() + timedelta(seconds=1)).isoformat(),
    }
    return api.post(f"/hitl/patches/{decision.patch.patch_id}/outcome", body)


def asked(api: Api, form: str, **parameters: Any) -> dict[str, Any]:
    answer = api.get(f"/hitl/adapters/vex/{form}", **parameters)
    assert answer.status_code == 200, answer.content
    said: dict[str, Any] = answer.json()
    return said


def check(form: str, document: dict[str, Any]) -> None:
    """Hold a document against what was published.

    No package of a registry has the schema of OpenVEX, so a reader of its own (vexipy) judges that one; that it drops
    nothing is compared.
    """
    text = json.dumps(document)
    if form == "cyclonedx":
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    elif form == "csaf":
        results = Verifier(document).run_all().results
        bad = [one for one in results if one.status in {VerificationStatus.FAIL, VerificationStatus.WARN}]
        assert bad == []
        assert len([one for one in results if one.status == VerificationStatus.PASS]) > 10
    else:
        read = vexipy.document.Document.from_json(text)
        again = json.loads(read.to_json(by_alias=True, exclude_none=True))
        assert len(again["statements"]) == len(document["statements"])
        assert document.keys() <= OF_OPENVEX
        for ours, theirs in zip(document["statements"], again["statements"], strict=True):
            assert ours.keys() == theirs.keys()
            assert ours.keys() <= OF_STATEMENTS
            assert ours["products"] == theirs["products"]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_one_that_was_published(form, deployed, deployer_api):
    deployed(**RELEASE)
    deployed(**IN_PLACE)
    deployed(cve_id="CVE-2024-2222", cve_ids=["CVE-2024-3333"], aliases=["GHSA-aaaa-bbbb-cccc"])
    deployed(cve_id="PYSEC-2021-19", package_name="django", purl="pkg:pypi/django@4.1", target_version="4.2.1")
    deployed(cve_id="CVE-2024-1111", package_name="shop", target_version="7")
    check(form, asked(deployer_api, form))


def test_openvex_says_fixed_of_the_release_and_names_every_id(deployed, deployer_api):
    decision = deployed(**RELEASE)
    [statement] = asked(deployer_api, "openvex")["statements"]
    assert statement["status"] == "fixed"
    assert statement["vulnerability"] == {"name": "CVE-2021-44228", "aliases": ["GHSA-jfh8-c2jp-5v3q", "OSV-2021-1"]}
    purl = "pkg:pypi/requests@2.31.0"
    assert statement["products"] == [{"@id": purl, "identifiers": {"purl": purl}}]
    assert decision.patch.sha256 in statement["status_notes"]
    assert "alice" not in json.dumps(statement)


def test_csaf_and_cyclonedx_say_the_same(deployed, deployer_api):
    decision = deployed(**RELEASE)
    csaf = asked(deployer_api, "csaf")
    [product] = csaf["product_tree"]["full_product_names"]
    [vulnerability] = csaf["vulnerabilities"]
    assert product["product_identification_helper"] == {"purl": "pkg:pypi/requests@2.31.0"}
    assert vulnerability["product_status"] == {"fixed": [product["product_id"]]}
    assert vulnerability["cve"] == "CVE-2021-44228"
    assert {"system_name": "GitHub Advisory Database", "text": "GHSA-jfh8-c2jp-5v3q"} in vulnerability["ids"]
    bom = asked(deployer_api, "cyclonedx", decision_id=str(decision.decision_id))
    [vulnerability] = bom["vulnerabilities"]
    assert vulnerability["analysis"]["state"] == "resolved"
    assert vulnerability["affects"] == [{"ref": bom["components"][0]["bom-ref"]}]
    assert bom["components"][0]["purl"] == "pkg:pypi/requests@2.31.0"


def test_what_was_patched_in_place_is_named_by_its_decision(deployed, deployer_api):
    """The release it stands on is not fixed: only what has these bytes is."""
    decision = deployed(**IN_PLACE, current_version="6", ecosystem="PyPI", purl="pkg:pypi/shop@6")
    [statement] = asked(deployer_api, "openvex")["statements"]
    [product] = statement["products"]
    assert product == {"@id": f"http://127.0.0.1:8027/patches/{decision.decision_id}"}
    [product] = asked(deployer_api, "csaf")["product_tree"]["full_product_names"]
    assert product["name"].endswith(f"at 1f4a2b90 with patch {decision.patch.sha256[:12]}")


@pytest.mark.parametrize("form", FORMS)
def test_nothing_but_fixed_is_ever_said(form, deployed, deployer_api):
    deployed(**RELEASE)
    text = json.dumps(asked(deployer_api, form))
    assert not any(word in text for word in ("not_affected", "known_not_affected", "unaffected", "false_positive"))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_statements_are_the_same_document_and_others_another(form, deployed, deployer_api):
    deployed(**RELEASE)
    first = asked(deployer_api, form)
    assert asked(deployer_api, form) == first
    deployed(**IN_PLACE)
    second = asked(deployer_api, form)
    ids = {
        "openvex": lambda said: said["@id"],
        "csaf": lambda said: said["document"]["tracking"]["id"],
        "cyclonedx": lambda said: said["serialNumber"],
    }
    assert ids[form](first) != ids[form](second)


def why_not(api: Api, decision: Decision) -> str:
    answer = api.get("/hitl/adapters/vex/openvex", decision_id=str(decision.decision_id))
    assert answer.status_code == 404, answer.content
    return str(answer.json()["detail"])


def test_what_is_not_approved_and_deployed_is_not_said_and_says_why(
    make_patch, make_gate, approve, alice, lena, deployed, deployer_api, api_of
):
    pending = make_patch()
    assert "It is not approved: it is pending." in why_not(deployer_api, pending)
    report(deployer_api, pending)  # an alarm
    assert "It is not approved: it is pending." in why_not(deployer_api, pending)
    rejected = approve(make_patch(), alice, Verdict.REJECT)
    assert "It is not approved: it is rejected." in why_not(deployer_api, rejected)
    approved = approve(make_patch(), alice)
    assert "no deployer has reported it as deployed" in why_not(deployer_api, approved)
    report(deployer_api, approved, sha256="0" * 64)  # other bytes: an alarm
    assert "no deployer has reported it as deployed" in why_not(deployer_api, approved)
    report(deployer_api, approved)
    report(deployer_api, approved, "rolled_back")
    assert "the last report says: rolled back" in why_not(deployer_api, approved)
    nameless = deployed(cve_id=None)
    assert "names no vulnerability" in why_not(deployer_api, nameless)
    revoked = deployed()
    seen = {"decision_id": str(revoked.decision_id), "patch_sha256": revoked.patch.sha256, "reason": "It breaks."}
    assert api_of(lena).post(f"/hitl/patches/{revoked.patch.patch_id}/revoke", seen).status_code == 200
    assert "It is not approved: it is revoked." in why_not(deployer_api, revoked)
    assert "A workflow gate mends nothing." in why_not(deployer_api, make_gate())
    assert deployer_api.get("/hitl/adapters/vex/csaf", cve="CVE-1999-0001").status_code == 404
    assert deployer_api.get("/hitl/adapters/vex/spdx").status_code == 422


def test_filters_narrow_a_document_and_link_leads_on(deployed, deployer_api):
    deployed(**RELEASE)
    deployed(**IN_PLACE)
    for name in ("ghsa-JFH8-c2jp-5v3q", "cve 2021 44228", "OSV-2021-1", "https://osv.dev/vulnerability/OSV-2021-1"):
        assert len(asked(deployer_api, "openvex", cve=name)["statements"]) == 1
    assert len(asked(deployer_api, "openvex", repository="https://github.com/acme/shop")["statements"]) == 1
    assert len(asked(deployer_api, "openvex")["statements"]) == 2
    first = deployer_api.get("/hitl/adapters/vex/openvex", limit=1)
    assert len(first.json()["statements"]) == 1
    following = first["Link"].split(">")[0].removeprefix("<http://testserver")
    assert first.json()["statements"] != deployer_api.client.get(following).json()["statements"]
    assert deployer_api.get("/hitl/adapters/vex/openvex", packge="x").status_code == 422


def test_a_producers_document_is_about_its_own(deployed, token_for, producer_api):
    decision = deployed(**RELEASE)
    other = Api(token_for("producer", "another"))
    assert other.get("/hitl/adapters/vex/openvex").status_code == 404
    assert "There is no such decision." in why_not(other, decision)
    assert len(asked(producer_api, "openvex")["statements"]) == 1


PRODUCTS = [
    ({"package_name": "org.apache:log4j", "ecosystem": "Maven"}, "pkg:maven/org.apache/log4j@2"),
    ({"package_name": "@babel/core", "ecosystem": "npm"}, "pkg:npm/%40babel/core@2"),
    ({"package_name": "github.com/x/y", "ecosystem": "Go"}, "pkg:golang/github.com/x/y@2"),
    ({"package_name": "x", "purl": "pkg:deb/debian/x@1?arch=source"}, "pkg:deb/debian/x@2?arch=source"),
    ({"package_name": "x", "purl": "no purl"}, ""),
    ({"package_name": "x", "ecosystem": "Debian:12"}, ""),
]


@pytest.mark.parametrize(("named", "purl"), PRODUCTS)
def test_a_release_has_a_package_url_where_one_is_known(named, purl):
    product = product_of(Patch(target_version="2", **named), "https://hitl.example.org/patches/1")
    assert (product.purl, product.iri) == (purl, purl or "https://hitl.example.org/patches/1")


VULNERABILITIES = [
    (["CVE-2024-1000"], ["GHSA-AAAA-bbbb-cccc"], [("CVE-2024-1000", ("GHSA-aaaa-bbbb-cccc",))]),
    (["GHSA-aaaa-bbbb-cccc"], ["CVE-2024-1000"], [("CVE-2024-1000", ("GHSA-aaaa-bbbb-cccc",))]),
    (["CVE-2024-1000", "CVE-2024-2000"], ["GHSA-aaaa-bbbb-cccc"], [("CVE-2024-1000", ()), ("CVE-2024-2000", ())]),
    (["CVE-2024-1000"], ["CVE-2024-2000"], [("CVE-2024-1000", ())]),
    ([], ["RUSTSEC-2021-0001"], [("RUSTSEC-2021-0001", ())]),
    ([], ["Log4Shell", "CVE-2024-1000"], [("CVE-2024-1000", ("LOG4SHELL",))]),
]


@pytest.mark.parametrize(("ids", "aliases", "said"), VULNERABILITIES)
def test_whose_alias_it_is_is_not_guessed(ids, aliases, said):
    assert list(vulnerabilities(Patch(cve_ids=ids, aliases=aliases))) == said


def test_times_are_of_the_newest_statement(deployed, deployer_api):
    deployed(**RELEASE)
    said = asked(deployer_api, "openvex")
    at = datetime.strptime(said["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(at - timezone.now()) < timedelta(minutes=1)
    assert said["timestamp"] == said["statements"][0]["timestamp"]
