"""deploy.sh against stand-ins that fail at each step in turn: what it says, how it ends, what it then leaves alone."""

import os
import re
import subprocess

import pytest
import yaml

from tests.ops.standins import KUBECTL, ROOT, cluster, edited_tree, tree

__all__ = ["cluster", "tree"]
pytestmark = pytest.mark.slow

IMAGE = "registry.acme.net/hitl"
DIGEST = "sha256:" + "0123456789abcdef" * 4
UNDO = [
    "rollout undo deployment/hitl-web --to-revision=7",
    "rollout undo deployment/hitl-worker --to-revision=5",
]


def steps(ended) -> list[str]:
    """Return what was changed in which order, each file by its directory alone."""
    return [re.sub(r"--filename \S*/", "", change) for change in ended.changes]


def images(applied: str) -> set[tuple[str, str]]:
    """Return kind and image of everything applied that runs the product."""
    found = set()
    for text in re.split(r"^(?=apiVersion: )", applied, flags=re.M):
        for image in re.findall(r"^ +(?:- )?image: (\S+)$", text, flags=re.M):
            found.add((yaml.safe_load(text)["kind"], image))
    return found


def test_a_release_configures_migrates_rolls_out_and_asks_in_this_order(cluster):
    ended = cluster.run("production", "0.2.0")
    assert (ended.code, steps(ended)) == (
        0,
        ["apply before", "delete job hitl-migrate --ignore-not-found --timeout=60s", "apply migrate", "apply release"],
    )
    assert ended.said.splitlines() == [
        f"production (hitl-production, hitl-production) gets {IMAGE}:0.2.0.",
        "Configuration",
        "Migration",
        "Rollout",
        "Test",
        f"production runs {IMAGE}:0.2.0.",
    ]
    waited = [call.split(" ", 5)[5] for call in ended.calls if "rollout status" in call]
    assert waited == [f"rollout status deployment/hitl-{name} --timeout=600s" for name in ("web", "worker")]
    assert all(
        "--context hitl-production --namespace hitl-production " in call for call in ended.calls if "apply" in call
    )
    assert "change-cause: 0.2.0 of commit abc1234" in ended.applied


@pytest.mark.parametrize(
    ("arguments", "image"),
    [
        (["staging"], f"{IMAGE}:main"),
        (["staging", "fix-17"], f"{IMAGE}:fix-17"),
        (["production"], f"{IMAGE}:0.1.0"),
        (["production", "0.2.0"], f"{IMAGE}:0.2.0"),
        (["production", "v1.2.3-rc.1"], f"{IMAGE}:v1.2.3-rc.1"),
        (["production", DIGEST], f"{IMAGE}@{DIGEST}"),
        (["production", f"0.2.0@{DIGEST}"], f"{IMAGE}:0.2.0@{DIGEST}"),
    ],
)
def test_the_version_reaches_every_pod(cluster, arguments, image):
    ended = cluster.run(*arguments)
    assert ended.code == 0, ended.said
    assert images(ended.applied) == {(kind, image) for kind in ("Deployment", "Job", "CronJob")}


def test_a_registry_with_a_port_is_no_tag(cluster, tmp_path):
    cluster.tree = edited_tree(tmp_path / "deploy")
    file = cluster.tree / "kubernetes/overlays/staging/kustomization.yaml"
    file.write_text(file.read_text().replace("registry.acme.net/", "registry.acme.net:5000/"))
    ended = cluster.run("staging", "0.2.0")
    assert {image for _, image in images(ended.applied)} == {"registry.acme.net:5000/hitl:0.2.0"}, ended.said


REFUSED = [
    (["staging"], ("config get-contexts", 0, "minikube"), "kubectl knows no context 'hitl-staging'"),
    (["staging"], ("get namespace", 1, "NotFound"), "The namespace hitl-staging does not answer"),
    (["production"], ("git .*status", 0, " M hitl/ops.py"), "this is not:\n M hitl/ops.py"),
    (["production"], ("git .*status", 128, "not a repository"), "git cannot tell"),
    (["production"], ("kustomize .*overlays", 1, "no such file"), "cannot be rendered"),
    (["production"], ("kustomize .*--output", 1, "no such file"), "cannot be rendered"),
    (["production", "latest"], None, f"{IMAGE}:latest may be another one tomorrow"),
    (["production", "main"], None, "Production takes an image with a version or a digest"),
    (["staging"], ("get secret hitl-app hitl-owner", 1, "NotFound"), "A Secret is missing"),
    (["staging"], ("get secret hitl-app --out", 0, "DATABASE_URL "), "hitl-app has no key SECRET_KEY"),
    (["staging"], ("get secret hitl-owner --out", 0, "URL "), "hitl-owner has no key DATABASE_MIGRATE_URL"),
    (["staging"], ("get secret hitl-owner --out", 1, "refused"), "The keys of the Secret hitl-owner cannot be read"),
    (["staging"], ("get deployment hitl-web .*available", 1, "refused"), "does not say what runs"),
    (["staging"], ("get secret hitl-monitor", 1, "refused"), "The Secret hitl-monitor cannot be read"),
    (["staging"], ("get secret hitl-monitor", 0, ""), "There is no monitor token"),
    (["staging"], ("get secret hitl-monitor", 0, "ICI="), "What was found as monitor token is none"),
    (["rollback", "staging"], ("get secret hitl-monitor", 0, ""), "There is no monitor token"),
    (["staging"], ("get job hitl-migrate --ignore", 0, "1"), "A migration is running: somebody else releases"),
    (["staging"], ("get job hitl-migrate --ignore", 1, "refused"), "does not say whether a migration runs"),
    (
        ["staging"],
        ("apply --dry-run=server", 1, "no kind ServiceMonitor"),
        "The cluster would not take what was rendered",
    ),
    (["staging"], ("get deployment hitl-worker", 1, "refused"), "does not say which revision of hitl-worker runs"),
    (["rollback", "staging"], ("get job hitl-migrate --ignore", 0, "1"), "A migration is running"),
    (["rollback", "staging"], ("history deployment/hitl-web$", 0, r"REVISION\n7 x\n"), "no release of hitl-web before"),
    (
        ["rollback", "staging"],
        ("history .*worker --revision=4", 0, "r:0.0.9"),
        "and the worker r:0.0.9: name the version",
    ),
    (["rollback", "staging"], ("history .*--revision=6", 1, "refused"), "web had an unknown image"),
]


@pytest.mark.parametrize(("arguments", "rule", "sentence"), REFUSED)
def test_what_is_refused_changes_nothing(cluster, arguments, rule, sentence):
    ended = cluster.run(*arguments, rules=[rule] if rule else [])
    assert (ended.code, ended.changes) == (1, []), ended.said
    assert sentence in ended.said


def test_staging_takes_what_is_not_committed(cluster):
    assert cluster.run("staging", rules=[("git .*status", 0, " M hitl/ops.py")]).code == 0


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_examples_in_the_repository_are_not_released(cluster, environment):
    ended = cluster.run(environment, script=ROOT / "deploy" / "deploy.sh")
    assert (ended.code, ended.changes) == (1, [])
    assert "registry.example.org/hitl" in ended.said
    assert "put in your own" in ended.said


@pytest.mark.parametrize(
    "arguments",
    [[], ["prod"], ["staging", "0.2.0", "now"], ["rollback"], ["rollback", "staging", "0.1.0"], ["--force", "staging"],
     ["production", "rollback"], ["staging", "a b"], ["staging", "sha256:12"], ["staging", "0.2.0\nx: y"],
     ["staging", '0.2.0"']],
)  # fmt: skip
def test_what_is_not_understood_asks_nobody(cluster, arguments):
    ended = cluster.run(*arguments)
    assert (ended.code, ended.calls) == (2, [])


@pytest.mark.parametrize("tool", ["kubectl", "git", "curl"])
def test_a_missing_tool_is_named(cluster, tool):
    (cluster.directory / "bin" / tool).unlink()
    for program in ("bash", "dirname"):
        (cluster.directory / "bin" / program).symlink_to(f"/usr/bin/{program}")
    cluster.environment["PATH"] = str(cluster.directory / "bin")
    ended = cluster.run("staging")
    assert (ended.code, ended.calls) == (1, [])
    assert f"{tool} is not installed" in ended.said


BEFORE_THE_ROLLOUT = [
    (("apply --filename .*/before$", 1, "refused"), 1, "The configuration was not applied whole"),
    (("delete job", 1, "timed out"), 2, "The Job of the last migration cannot be removed"),
    (("apply --filename .*/migrate$", 1, "refused"), 3, "The migration was not started"),
    (
        ("get job hitl-migrate --output", 0, "FailureTarget Failed"),
        3,
        "The migration failed, so nothing was rolled out",
    ),
    (("get job hitl-migrate --output", 0, ""), 3, "The migration is not done after 0 s"),
    (("get job hitl-migrate --output", 1, "refused"), 3, "The migration is not done after 0 s"),
]


@pytest.mark.parametrize(("rule", "changes", "sentence"), BEFORE_THE_ROLLOUT)
def test_without_its_migration_nothing_is_rolled_out(cluster, rule, changes, sentence):
    cluster.environment["HITL_MIGRATE_SECONDS"] = "0"
    ended = cluster.run("production", rules=[rule])
    assert (ended.code, len(ended.changes)) == (3, changes), ended.said
    assert sentence in ended.said
    assert not any(change.startswith("rollout") or change.endswith("/release") for change in ended.changes)
    assert ("the table was in use" in ended.said) == ("The migration " in sentence and "started" not in sentence)


NOT_READY = r'{"ready": false, "missing": ["worker"]}\n503'
AFTER_THE_ROLLOUT = [
    (("apply --filename .*/release$", 1, "quota"), "not everything was applied"),
    (("status deployment/hitl-web", 1, "exceeded its progress deadline"), "deployment/hitl-web did not become ready"),
    (("status deployment/hitl-worker", 1, "timed out"), "deployment/hitl-worker did not become ready"),
    (("curl .*/readyz", 0, NOT_READY), '/readyz answers: {"ready": false, "missing": ["worker"]} 503'),
    (("curl .*/readyz", 7, "curl: (7) Failed to connect"), "/readyz answers: curl: (7) Failed to connect"),
    (("curl .*/summary", 0, r"{}\n401"), "/hitl/analytics/summary answers 401 to the monitor token"),
]


@pytest.mark.parametrize(("rule", "reason"), AFTER_THE_ROLLOUT)
def test_a_release_that_fails_is_taken_back_with_the_reason(cluster, rule, reason):
    """Its own rollback fails here as well, for the same reason; the next test has one that works."""
    cluster.environment["HITL_SMOKE_SECONDS"] = "0"
    ended = cluster.run("production", "0.2.0", rules=[rule])
    assert ended.changes[-2:] == UNDO
    assert "The release failed: " in ended.said
    assert reason in ended.said
    assert "get pods --selector app.kubernetes.io/name=hitl" in "\n".join(ended.calls)
    assert ended.code == (4 if "release$" in rule[0] else 5)


def test_a_rollback_that_works_says_what_failed_before(cluster):
    """The new release never becomes ready; what `undo` brings back does."""
    seen = cluster.directory / "undone"
    undo = ("rollout undo", 0, "")
    cluster.environment["HITL_SMOKE_SECONDS"] = "0"
    program = cluster.directory / "bin" / "kubectl"
    program.write_text(
        program.read_text().replace(
            "while IFS=",
            f'case "$words" in *"rollout undo"*) touch {seen} ;; *"rollout status"*) [ -e {seen} ] || exit 1 ;; esac\n'
            "while IFS=",
            1,
        )
    )
    ended = cluster.run("production", "0.2.0", rules=[undo])
    assert (ended.code, ended.changes[-2:]) == (4, UNDO)
    assert ended.said.splitlines()[-1] == (
        f"deploy.sh: The release of {IMAGE}:0.2.0 failed and was rolled back: deployment/hitl-web did not become "
        "ready. Migrations stay; the release before works with them."
    )


@pytest.mark.parametrize("name", ["hitl-web", "hitl-worker"])
def test_a_rollback_that_cannot_be_done_wakes_somebody(cluster, name):
    rules = [("status deployment/hitl-web", 1, "timed out"), (f"undo deployment/{name}", 1, "refused")]
    ended = cluster.run("production", rules=rules)
    assert ended.code == 5
    assert f"The rollback failed too: deployment/{name} cannot be taken back to revision" in ended.said


FIRST = [("get deployment", 0, ""), ("get secret hitl-monitor", 0, "")]


def test_the_first_release_has_no_token_and_says_what_comes_next(cluster):
    ended = cluster.run("staging", rules=FIRST)
    assert ended.code == 0, ended.said
    assert "summary" not in ended.asked
    assert "docs/kubernetes.md, 'The first time'" in ended.said


def test_the_first_release_that_fails_leaves_its_pods_to_be_looked_at(cluster):
    ended = cluster.run("staging", rules=[*FIRST, ("rollout status", 1, "timed out")])
    assert (ended.code, steps(ended)[-1]) == (5, "apply release")
    assert "Nothing ran before that it could go back to" in ended.said


def test_a_release_after_a_first_one_that_failed_needs_no_token_either(cluster):
    """There are Deployments, but of nothing that runs a token could be made."""
    rules = [("get deployment hitl-web .*availableReplicas", 0, ""), ("get secret hitl-monitor", 0, "")]
    assert cluster.run("staging", rules=rules).code == 0
    ended = cluster.run("staging", rules=[*rules, ("rollout status", 1, "timed out")])
    assert (ended.code, steps(ended)[-1]) == (5, "apply release")


@pytest.mark.parametrize("by_file", [True, False])
def test_the_token_is_sent_and_no_process_list_shows_it(cluster, tmp_path, by_file):
    secret = "hitl_monitor"
    if by_file:
        secret = "hitl_from-a.file"
        (tmp_path / "token").write_text(f"{secret}\n")
        cluster.environment["HITL_MONITOR_TOKEN_FILE"] = str(tmp_path / "token")
    ended = cluster.run("staging")
    assert ended.code == 0
    assert (
        f'url = "https://hitl.staging.acme.net/hitl/analytics/summary"\nheader = "Authorization: Bearer {secret}"'
        in ended.asked
    )
    assert secret not in "\n".join(ended.calls) + ended.said


@pytest.mark.parametrize("arguments", [["production", "0.2.0"], ["rollback", "production"]])
def test_a_dry_run_changes_nothing_and_says_what_it_would(cluster, arguments):
    ended = cluster.run("--dry-run", *arguments)
    assert (ended.code, ended.changes, ended.asked) == (0, [], ""), ended.said
    would = [line.split("--filename")[0].strip() for line in ended.said.splitlines() if "would run" in line]
    assert len(would) == (6 if "0.2.0" in arguments else 2)
    assert "0.2.0" in ended.said


def test_a_dry_run_refuses_what_a_release_would(cluster):
    assert cluster.run("--dry-run", "production", "latest").code == 1


def test_rollback_goes_to_the_release_before_and_waits_for_it(cluster):
    ended = cluster.run("rollback", "production")
    assert (ended.code, ended.changes) == (0, [change.replace("=7", "=6").replace("=5", "=4") for change in UNDO])
    assert "goes back from registry/hitl:0.2.0 to registry/hitl:0.1.0" in ended.said
    assert sum("rollout status" in call for call in ended.calls) == 2
    assert "https://hitl.acme.net/readyz" in ended.asked


def test_a_rollback_that_is_not_ready_afterwards_fails(cluster):
    cluster.environment["HITL_SMOKE_SECONDS"] = "0"
    ended = cluster.run("rollback", "production", rules=[("curl .*/readyz", 0, NOT_READY)])
    assert ended.code == 5
    assert "The rollback failed: " in ended.said


def test_ctrl_c_says_what_goes_on(cluster):
    ended = cluster.run("staging", rules=[("rollout status", "INT", "")])
    assert ended.code == 130
    assert "deploy/deploy.sh rollback staging" in ended.said
    assert "undo" not in "\n".join(ended.changes)


def test_shellcheck_finds_nothing():
    done = subprocess.run(
        [KUBECTL.parent / "shellcheck", ROOT / "deploy" / "deploy.sh"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: hitl-production, context: {cluster: nowhere}}]
"""


def test_the_real_kubectl_understands_every_call(cluster, tmp_path):
    """It stops where it cannot reach a cluster or finds no file any more, never at its arguments."""
    failing = [("status deployment/hitl-worker", 1, "timed out"), ("get job hitl-migrate --output", 0, "Failed")]
    runs = [cluster.run("production", "0.2.0", rules=[rule]) for rule in failing]
    runs += [cluster.run("--dry-run", "production"), cluster.run("rollback", "production")]
    calls = {arguments[1:] for run in runs for arguments in run.arguments if arguments[0] == "kubectl"}
    # What differs by a number or a directory only is asked once.
    asked = {re.sub(r"/tmp/\S*|\d", "", " ".join(call)): call for call in calls if "kustomize" not in call}
    assert len(asked) > 20
    (tmp_path / "config").write_text(KUBECONFIG)
    for call in asked.values():
        done = subprocess.run(
            [KUBECTL, *call],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "config")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        stopped = done.returncode == 0 or re.search("127.0.0.1:9|does not exist", done.stderr)
        assert stopped, (call, done.stderr)
