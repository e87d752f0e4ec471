"""VEX in the three forms that are asked for: OpenVEX 0.2.0, CSAF 2.0 (profile `csaf_vex`) and CycloneDX 1.6."""

import uuid
from typing import Any

from .vex import Document, Product, Statement, written

TOOL = "HITL"
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562, of addresses


def openvex(document: Document) -> dict[str, Any]:
    """Return an OpenVEX 0.2.0 document."""
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": f"{document.base_url}/hitl/adapters/vex/openvex#{document.digest}",
        "author": document.author,
        "timestamp": document.at,
        "version": 1,
        "tooling": TOOL,
        "statements": [_openvex_statement(one) for one in document.statements],
    }


def _openvex_statement(one: Statement) -> dict[str, Any]:
    product: dict[str, Any] = {"@id": one.product.iri}
    if one.product.purl:
        product["identifiers"] = {"purl": one.product.purl}
    vulnerability: dict[str, Any] = {"name": one.name}
    if one.aliases:
        vulnerability["aliases"] = list(one.aliases)
    return {
        "vulnerability": vulnerability,
        "timestamp": written(one.at),
        "products": [product],
        "status": "fixed",
        "status_notes": one.note,
    }


def csaf(document: Document) -> dict[str, Any]:
    """Return a CSAF 2.0 document of the profile `csaf_vex`. Each is final: other statements are another document."""
    keys = {product: f"PRODUCT-{number}" for number, product in enumerate(document.products, start=1)}
    return {
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "lang": "en",
            "title": "Vulnerabilities that are fixed by approved and deployed patches",
            "publisher": {"category": "vendor", "name": document.author, "namespace": document.base_url},
            "tracking": {
                "id": f"hitl-vex-{document.digest[:32]}",
                "status": "final",
                "version": "1",
                "initial_release_date": document.at,
                "current_release_date": document.at,
                "revision_history": [{"date": document.at, "number": "1", "summary": "First and only version."}],
                "generator": {"engine": {"name": TOOL}},
            },
        },
        "product_tree": {"full_product_names": [_csaf_product(one, keys[one]) for one in document.products]},
        "vulnerabilities": [_csaf_vulnerability(name, of, keys) for name, of in document.by_vulnerability.items()],
    }


def _csaf_product(product: Product, key: str) -> dict[str, Any]:
    helper: dict[str, Any] = {"purl": product.purl} if product.purl else {}
    if product.iri != product.purl:
        origin = product.iri.rsplit("/", 1)[0]
        helper["x_generic_uris"] = [{"namespace": origin, "uri": product.iri}]
    name = f"{product.name} {product.version}" if product.purl else product.name
    return {"product_id": key, "name": name, "product_identification_helper": helper}


def _csaf_vulnerability(name: str, statements: list[Statement], keys: dict[Product, str]) -> dict[str, Any]:
    ids = dict.fromkeys([name, *(alias for one in statements for alias in one.aliases)])
    others = [{"system_name": _system_of(one), "text": one} for one in ids if not one.startswith("CVE-")]
    details = " ".join(one.note for one in statements)
    return {
        **({"cve": name} if name.startswith("CVE-") else {}),
        **({"ids": others} if others else {}),
        "notes": [{"category": "details", "title": "How it was fixed", "text": details}],
        "product_status": {"fixed": list(dict.fromkeys(keys[one.product] for one in statements))},
    }


def cyclonedx(document: Document) -> dict[str, Any]:
    """Return a CycloneDX 1.6 document with the products as components."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, document.digest)}",
        "version": 1,
        "metadata": {
            "timestamp": document.at,
            "tools": {"components": [{"type": "application", "name": TOOL}]},
            "authors": [{"name": document.author}],
        },
        "components": [_component(one) for one in document.products],
        "vulnerabilities": [_cyclonedx_vulnerability(name, of) for name, of in document.by_vulnerability.items()],
    }


def _component(product: Product) -> dict[str, Any]:
    named = {"type": "library", "bom-ref": product.iri, "name": product.name, "version": product.version}
    if product.purl:
        return named | {"purl": product.purl}
    decision = {"type": "other", "url": product.iri, "comment": "the decision on its patch"}
    return named | {"externalReferences": [decision]}


def _cyclonedx_vulnerability(name: str, statements: list[Statement]) -> dict[str, Any]:
    aliases = dict.fromkeys(alias for one in statements for alias in one.aliases)
    references = [{"id": alias, "source": {"name": _system_of(alias)}} for alias in aliases]
    return {
        "bom-ref": f"vulnerability:{name}",
        "id": name,
        "source": {"name": _system_of(name)},
        **({"references": references} if references else {}),
        "analysis": {
            "state": "resolved",
            "detail": " ".join(one.note for one in statements),
            "firstIssued": written(min(one.at for one in statements)),
            "lastUpdated": written(max(one.at for one in statements)),
        },
        "affects": [{"ref": ref} for ref in dict.fromkeys(one.product.iri for one in statements)],
    }


def _system_of(name: str) -> str:
    """Return who gives ids of this kind; the scheme itself where that is not known."""
    scheme = name.partition("-")[0]
    return {"CVE": "CVE", "GHSA": "GitHub Advisory Database", "OSV": "OSV"}.get(scheme, scheme)


DOCUMENTS = {"openvex": openvex, "csaf": csaf, "cyclonedx": cyclonedx}
