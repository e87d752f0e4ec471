"""Stand-ins for kubectl, git, curl and sleep: they write down what they were asked and answer by a table of rules."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KUBECTL = Path(sys.executable).parent / "kubectl"

# The first rule whose expression is found in the call answers. `kubectl kustomize` runs the real one, unless a rule
# says what becomes of it; the address that curl is asked for comes by standard input, as the token does.
PROGRAM = r"""#!/usr/bin/env bash
name=${0##*/} words="$*" call="${0##*/} $*"
printf '%s\n' "$call" >>"$STANDIN/calls"
{ printf '%s\037' "$name" "$@"; echo; } >>"$STANDIN/arguments"
if [ "$name" = curl ]; then call+=$(tee -a "$STANDIN/asked"); fi
while IFS=$'\t' read -r expression code answer; do
    [[ $call =~ $expression ]] || continue
    [ "$code" != INT ] || { kill -INT $PPID; exit 0; }
    [ "$code" = 0 ] && printf '%b' "$answer" || printf '%b\n' "$answer" >&2
    [ "$code" = 0 ] || exit "$code"
    if [[ $words = *" apply "* && $words != *dry-run* ]]; then
        while [ $# -gt 0 ]; do [ "$1" != --filename ] || cat "$2"/* >>"$STANDIN/applied"; shift; done
    fi
    exit 0
done <"$STANDIN/rules"
[ "$name $1" = "kubectl kustomize" ] || { echo "no rule for $name $words" >&2; exit 99; }
# What was rendered before from the same is not rendered again: the layer of a release says all that differs.
[[ $2 = */layer ]] && from='' || from=$2
kept=$STANDIN_TREE/rendered/$(printf '%s' "$from" | cat - "$2/kustomization.yaml" | md5sum | cut -d ' ' -f 1)
if [ ! -e "$kept.done" ]; then
    mkdir -p "$kept"
    "$KUBECTL" kustomize "$2" --output "$kept" || exit
    touch "$kept.done"
fi
if [ "${3:-}" = --output ]; then cp "$kept"/* "$4"; else sed -s '1i ---' "$kept"/*; fi
"""

Rule = tuple[str, int | str, str]
READY = r'{"ready": true, "missing": []}\n200'
# A cluster that runs a release, and in which everything works.
GOOD: list[Rule] = [
    ("config get-contexts", 0, r"hitl-staging\nhitl-production\n"),
    ("get secret hitl-app --output", 0, "DATABASE_URL SECRET_KEY "),
    ("get secret hitl-metrics --output", 0, "METRICS_TOKEN "),
    ("get secret hitl-owner --output", 0, "DATABASE_MIGRATE_URL "),
    ("get secret hitl-monitor", 0, "aGl0bF9tb25pdG9y"),  # hitl_monitor
    ("get deployment hitl-web .*availableReplicas", 0, "2"),
    ("get deployment hitl-web .*revision", 0, "7"),
    ("get deployment hitl-worker .*revision", 0, "5"),
    ("get job hitl-migrate --ignore-not-found", 0, ""),
    ("get job hitl-migrate --output", 0, "SuccessCriteriaMet Complete"),
    ("logs --selector", 0, r"[pod/hitl-migrate-x] the table was in use\n"),
    ("rollout history deployment/hitl-web$", 0, r"REVISION  CHANGE-CAUSE\n6  0.1.0\n7  0.2.0\n"),
    ("rollout history deployment/hitl-worker$", 0, r"REVISION  CHANGE-CAUSE\n4  0.1.0\n5  0.2.0\n"),
    ("rollout history .*--revision=[64]", 0, "registry/hitl:0.1.0"),
    ("rollout history .*--revision=[75]", 0, "registry/hitl:0.2.0"),
    ("kubectl .*(get|apply|delete|rollout|diff)", 0, ""),
    ("git .*rev-parse", 0, "abc1234"),
    ("git .*status", 0, ""),
    ("curl .*/readyz", 0, READY),
    ("curl .*/hitl/analytics/summary", 0, r"{}\n200"),
    ("^sleep", 0, ""),
]
CHANGES = (" apply ", " delete ", " rollout undo ", " rollout restart ", " annotate ", " patch ", " create ", " scale ")


@dataclass
class Ended:
    """How deploy.sh ended: its code, what it said on both streams, and what it called in order."""

    code: int
    said: str
    calls: list[str]
    arguments: list[tuple[str, ...]]
    asked: str
    applied: str

    @property
    def changes(self) -> list[str]:
        """Return the calls that change a cluster, without the words all of them have."""
        return [
            call.partition("--namespace ")[2].partition(" ")[2]
            for call in self.calls
            if any(word in f"{call} " for word in CHANGES) and "dry-run" not in call
        ]


@dataclass
class Standins:
    """A directory of stand-ins, and a tree with deploy.sh in which an operator has put their own names."""

    directory: Path
    tree: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, rules: list[Rule] | None = None, script: Path | None = None) -> Ended:
        for name in ("calls", "arguments", "asked", "applied"):
            (self.directory / name).write_text("")
        lines = ["\t".join(map(str, rule)) for rule in [*(rules or []), *GOOD]]
        (self.directory / "rules").write_text("\n".join(lines) + "\n")
        done = subprocess.run(
            ["bash", str(script or self.tree / "deploy.sh"), *arguments],
            env={
                "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
                "STANDIN": str(self.directory),
                "STANDIN_TREE": str(self.tree),
                "KUBECTL": str(KUBECTL),
                **self.environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        read = {name: (self.directory / name).read_text() for name in ("calls", "arguments", "asked", "applied")}
        split = [tuple(line.split("\037")[:-1]) for line in read["arguments"].splitlines()]
        assert "no rule for" not in done.stdout, done.stdout
        return Ended(done.returncode, done.stdout, read["calls"].splitlines(), split, read["asked"], read["applied"])


def stand_in(directory: Path, tree: Path, *programs: str) -> Standins:
    (directory / "bin").mkdir(parents=True)
    for program in programs:
        (directory / "bin" / program).write_text(PROGRAM)
        (directory / "bin" / program).chmod(0o755)
    return Standins(directory, tree)


def edited_tree(to: Path) -> Path:
    """Copy deploy/ and put names of one's own into it, as an operator does once."""
    shutil.copytree(ROOT / "deploy", to)
    for file in (to / "kubernetes" / "overlays").rglob("*.*"):
        file.write_text(file.read_text().replace("example.org", "acme.net"))
    return to


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return edited_tree(tmp_path_factory.mktemp("operator") / "deploy")


@pytest.fixture
def cluster(tmp_path: Path, tree: Path) -> Standins:
    return stand_in(tmp_path, tree, "kubectl", "git", "curl", "sleep")
