#!/usr/bin/env python3
"""Ask whether what is shipped (requirements.txt) has known vulnerabilities: pip-audit, against PyPI, else OSV.

Ends with 1 where there is one, and where pip-audit itself does not work. A service that cannot be asked, or knows none
of the packages, is one line and no failure: pip-audit alone would call that "No known vulnerabilities found".
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("pypi", "osv")
SECONDS = 20  # for each service


def audit(*more: str) -> tuple[list[dict[str, Any]] | None, str]:
    """Return what pip-audit says of each package, or None and why it says nothing."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "requirements.txt"), "--require-hashes"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "8", *more]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {SECONDS} s"
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines()
        return None, lines[-1].partition("(")[0][:100] if lines else f"pip-audit ended with {done.returncode}"


def vulnerable(packages: list[dict[str, Any]]) -> list[str]:
    """Return a line for each vulnerability of a package, with what repairs it."""
    lines = []
    for package in packages:
        for found in package.get("vulns", []):
            names = ", ".join([found["id"], *found.get("aliases", [])])
            repaired = ", ".join(found.get("fix_versions", [])) or "nothing yet"
            lines.append(f"{package['name']} {package['version']}: {names}; repaired by {repaired}")
    return lines


def main() -> int:
    wanted, why = audit("--dry-run")
    if wanted is None or not (ROOT / "requirements.txt").read_text("utf-8").strip():
        print(f"pip-audit cannot read requirements.txt: {why}", file=sys.stderr)
        return 1
    reasons = []
    for service in SERVICES:
        packages, why = audit("--vulnerability-service", service)
        known = [package for package in packages or [] if "skip_reason" not in package]
        if packages is None or not known:
            reasons.append(f"{service}: {why or 'knows none of the packages'}")
            continue
        unknown = [package["name"] for package in packages if "skip_reason" in package]
        left = f"; it does not know {', '.join(unknown)}" if unknown else ""
        if lines := vulnerable(known):
            print("\n".join(["What is shipped has known vulnerabilities:", *lines]), file=sys.stderr)
            return 1
        print(f"No known vulnerability in {len(known)} packages that are shipped ({service}{left}).")
        return 0
    print(f"Advisories were not checked, no service could be asked ({'; '.join(reasons)}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
