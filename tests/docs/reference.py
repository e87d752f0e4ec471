"""The reference of the API as a page: what docs/openapi.json says of each endpoint, and the exchanges of the walk."""

from collections.abc import Iterator
from typing import Any

from tests.docs.walk import Exchange

HEAD = """# API reference

Written by `HITL_WRITE_DOCS=1 python -m pytest tests/docs` from [openapi.json](openapi.json) and from requests that the
test sends to the product. Ids, times and counters are shown as the same ones each time. What the
requests have in common, limits and the order of refusals are in the [API guide](api-guide.md).

`$HITL` is the address of the product; `$PATCHGEN` is a producer's token, `$ARGO` a deployer's, `$AUDITOR` an auditor's,
`$ALICE` and `$LENA` are personal tokens of a reviewer and a security lead.

## Refusals

Every refusal is `application/problem+json`. Each endpoint names those it can give.

| status | means |
|---|---|
"""
TAGS = {
    "patches": "Patches",
    "decisions": "Decisions",
    "events": "Events",
    "analytics": "Analytics",
    "workflow gates": "Workflow gates",
    "adapters": "Adapters",
}
TOKENS = {"patchgen": "PATCHGEN", "argo": "ARGO", "auditor": "AUDITOR", "alice": "ALICE", "lena": "LENA"}
LONG = 25  # lines


def page(contract: dict[str, Any], exchanges: list[Exchange]) -> str:
    """Return the page; raise KeyError for an endpoint that the walk did not ask."""
    refusals = contract["components"]["responses"]
    parts = [HEAD + "".join(f"| {name[-3:]} | {said['description']} |\n" for name, said in sorted(refusals.items()))]
    operations = [
        (operation["tags"][0], method.upper(), path, operation)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
    ]
    for tag, title in [*TAGS.items(), *((tag, tag) for tag in sorted({one[0] for one in operations} - TAGS.keys()))]:
        parts.append(f"\n## {title}\n")
        for of_tag, method, path, operation in operations:
            if of_tag == tag:
                asked = [one for one in exchanges if (one.method, one.template) == (method, path)]
                if not asked:
                    raise KeyError(f"{method} {path} is not in the walk")
                parts.append("\n" + "\n".join(_endpoint(contract, method, path, operation, asked)) + "\n")
    return "".join(parts)


def _endpoint(
    contract: dict[str, Any], method: str, path: str, operation: dict[str, Any], asked: list[Exchange]
) -> Iterator[str]:
    yield f"### {method} {path}\n"
    described = " ".join(operation.get("description", "").split())
    yield f"{operation['summary']}. {described}".strip() + "\n"
    named = [_resolved(contract, one) for one in operation.get("parameters", [])]
    given = [f"`{one['name']}`" for one in named if one["in"] == "query"]
    if given:
        yield f"Parameters: {', '.join(given)}.\n"
    refused = [code for code in operation["responses"] if int(code) >= 400]
    yield f"Refusals: {', '.join(refused)}.\n"
    for one in asked:
        yield from _exchange(one)


def _resolved(contract: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    place: Any = contract
    for name in part.get("$ref", "#").split("/")[1:]:
        place = place[name]
    return part if place is contract else place


def _exchange(one: Exchange) -> Iterator[str]:
    proofs = {
        "nobody": "",
        "old caller": ' -H "X-Admin-Token: $PATCHGEN"',
        "github": ' -H "X-GitHub-Event: deployment_protection_rule" -H "X-GitHub-Delivery: $ID" \\\n'
        '  -H "X-Hub-Signature-256: sha256=$HMAC"',
    }
    proof = proofs.get(one.caller, f' -H "Authorization: Bearer ${TOKENS.get(one.caller)}"')
    sent = ""
    if one.body:
        body = one.body.rstrip("\n").replace("'", "'\\''")
        flag = "--data-binary" if "ndjson" in one.media else "-d"
        sent = f" \\\n  -H 'Content-Type: {one.media}' {flag} '{body}'"
    yield f'```sh\ncurl -s "$HITL{one.address}"{proof}{sent}\n```\n'
    kind = "json" if one.answered.endswith("json") else "text"
    answer = f"```{kind}\n{one.answer}\n```"
    said = f"{one.status} `{one.answered}`"
    if one.answer.count("\n") > LONG:
        yield f"<details><summary>{one.status} {one.answered}</summary>\n\n{answer}\n\n</details>\n"
    else:
        yield f"{said}\n\n{answer}\n"
