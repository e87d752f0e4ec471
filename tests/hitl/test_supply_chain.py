"""What is shipped is named exactly: the base image and every package by digest, and a bill of all of it."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def images(dockerfile):
    """Return the images that a Dockerfile starts from, arguments by their defaults; stages of its own are none."""
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", dockerfile, re.M))
    stages = re.findall(r"^FROM .* AS (\S+)", dockerfile, re.M | re.I)
    named = re.findall(r"^FROM (?:--\S+ )*(\S+)|^COPY --from=(\S+)", dockerfile, re.M | re.I)
    found = [re.sub(r"\$\{?(\w+)\}?", lambda match: arguments.get(match[1], ""), one or other) for one, other in named]
    return [image for image in found if image not in stages]


def without_digest(dockerfile):
    return [image for image in images(dockerfile) if not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", image)]


def test_the_image_starts_from_a_digest():
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert len(images(text)) == 2
    assert without_digest(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "FROM python:3.11",
        "ARG BASE=python:3.11\nFROM ${BASE} AS build",
        "ARG BASE\nFROM $BASE",
        "FROM --platform=linux/amd64 python@sha256:12",
        "FROM scratch@sha256:" + "0" * 64 + "\nCOPY --from=busybox /bin/sh /bin/sh",
    ],
)
def test_a_tag_alone_is_found(text):
    assert without_digest(text)


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_package_is_pinned_with_its_digests(path):
    whole = path.read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in whole.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    assert [
        line for line in lines if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ] == []


def test_everything_that_is_installed_is_held_against_its_digest():
    texts = [(ROOT / name).read_text("utf-8") for name in ("Makefile", "Dockerfile", ".ci/run")]
    installs = [line for text in texts for line in text.splitlines() if re.search(r"pip\b.* install\b", line)]
    assert len(installs) == 3
    assert [line for line in installs if "--require-hashes" not in line] == []


@pytest.mark.slow
def test_the_bill_of_materials_fits_its_schema_and_names_what_is_shipped(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    for target in (first, second):
        subprocess.run([sys.executable, ROOT / ".ci" / "sbom.py", target], check=True, capture_output=True)
    text = first.read_text("utf-8")
    assert text == second.read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["component"]["name"] == "hitl"
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    pinned = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", (ROOT / "requirements.txt").read_text("utf-8"), re.M)
    assert len(pinned) > 40
    assert set(pinned) <= listed
    assert listed - set(pinned) == {("python", bill["components"][-1]["version"])}
    assert bill["components"][-1]["version"] in (ROOT / "Dockerfile").read_text("utf-8")


# Advisories


DJANGO = {"name": "django", "version": "5.2.19", "vulns": []}
HOLE = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["5.2.20"], "description": ""}
SKIPPED = {"name": "attrs", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("pypi", "osv", "status", "said"),
    [
        (([DJANGO, SKIPPED], ""), None, 0, "No known vulnerability in 1 packages that are shipped (pypi; it does not"),
        (([{**DJANGO, "vulns": [HOLE]}], ""), None, 1, "django 5.2.19: PYSEC-1, CVE-1; repaired by 5.2.20"),
        (([{**DJANGO, "vulns": [{**HOLE, "fix_versions": []}]}], ""), None, 1, "repaired by nothing yet"),
        (([SKIPPED], ""), ([{**DJANGO, "vulns": [HOLE]}], ""), 1, "django 5.2.19"),
        ((None, "no answer"), ([DJANGO], ""), 0, "No known vulnerability in 1 packages that are shipped (osv)."),
        ((None, "gone"), (None, "gone"), 0, "Advisories were not checked, no service could be asked (pypi: gone; osv"),
        (([SKIPPED], ""), ([SKIPPED], ""), 0, "Advisories were not checked"),
    ],
)
def test_a_known_vulnerability_fails_and_a_service_that_is_gone_is_one_line(
    monkeypatch, capsys, pypi, osv, status, said
):
    module = script("advisories")
    answers = {"--dry-run": ([], ""), "pypi": pypi, "osv": osv}
    monkeypatch.setattr(module, "audit", lambda *more: answers[more[-1]])
    assert module.main() == status
    shown = capsys.readouterr()
    assert said in shown.out + shown.err
    assert status == 1 or shown.out.count("\n") == 1


def test_requirements_that_cannot_be_read_fail(monkeypatch, tmp_path):
    module = script("advisories")
    (tmp_path / "requirements.txt").write_text("django>=5\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert module.main() == 1


def test_an_audit_that_says_nothing_readable_is_none(monkeypatch):
    module = script("advisories")
    monkeypatch.setattr(module, "sys", type("Sys", (), {"executable": "/bin/false"}))
    assert module.audit() == (None, "pip-audit ended with 1")


def test_ci_asks_for_both():
    steps = (ROOT / ".ci" / "run").read_text("utf-8")
    assert re.search(r"^timeout .* make -k sbom advisories \|\| status=1$", steps, re.M)
