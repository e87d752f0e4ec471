#!/usr/bin/env python3
"""Write what is shipped as a CycloneDX bill of materials: the packages of requirements.txt with their digests, and the
image below them. The same input gives the same file, and it is held against the schema before it is written."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parent.parent
VERSION = SchemaVersion.V1_6
BASE = re.compile(r"^ARG PYTHON_IMAGE=(?P<name>\w+):(?P<tag>[\w.-]+)@sha256:(?P<digest>[0-9a-f]{64})$", re.M)


def packages() -> dict[str, Any]:
    """Return the bill of requirements.txt, with the product and its version at the root."""
    release = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)[0]
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as project:
        project.write(f'[project]\nname = "hitl"\nversion = "{release}"\n')
        project.flush()
        command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(ROOT / "requirements.txt")]
        command += ["--pyproject", project.name, "--spec-version", VERSION.to_version(), "--output-reproducible"]
        command.append("--no-validate")  # main() holds all of it against the schema
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cyclonedx-py cannot read requirements.txt: {done.stderr.strip()[-500:]}")
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def base_image() -> dict[str, Any]:
    """Return the image that the Dockerfile starts from."""
    found = BASE.search((ROOT / "Dockerfile").read_text("utf-8"))
    if found is None:
        raise SystemExit("The Dockerfile names its image without a digest.")
    purl = f"pkg:docker/{found['name']}@sha256%3A{found['digest']}?tag={found['tag']}"
    return {
        "type": "container",
        "bom-ref": "base-image",
        "name": found["name"],
        "version": f"sha256:{found['digest']}",
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": found["digest"]}],
    }


def main(target: Path) -> None:
    bill = packages()
    bill["components"].append(base_image())
    text = json.dumps(bill, indent=2, sort_keys=True) + "\n"
    if error := JsonStrictValidator(VERSION).validate_str(text):
        raise SystemExit(f"The bill of materials does not fit its schema: {error}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
    print(f"{target}: {len(bill['components'])} components, CycloneDX {VERSION.to_version()}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "var" / "sbom.json"))
