"""The examples of `client/examples/`, run as they stand against the product."""

import os
import runpy
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from approvals.models import Acknowledgement, Decision, OutcomeReport, Verdict
from approvals.services.dispatch import dispatch
from tests.cast import Api

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CLIENT = Path(__file__).resolve().parents[2] / "client"
EXAMPLES = CLIENT / "examples"


@pytest.fixture
def surroundings(live_server, token_for, tmp_path):
    """Return the environment of a job that has hitl-gate installed, and a deploy script that says what it got."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "hitl-gate": f'#!/bin/sh\nexec "{sys.executable}" -m hitl_gate "$@"\n',
        "deploy.sh": '#!/bin/sh\necho "deployed $*"\n',
        "pip": "#!/bin/sh\n",
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(CLIENT / "src"),
        "HITL_URL": live_server.url,
        "HITL_TOKEN": token_for("producer"),
        "HITL_TOKEN_FILE": "",
    }


def decided_while(command, environment, alice, *, verdict, cwd):
    """Run a command that waits for people, decide as alice once its gate is there, and return how it ended."""
    job = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not Decision.objects.exists():
        assert job.poll() is None, job.communicate()
    gate = Decision.objects.get()
    path = f"/api/approvals/{gate.decision_id}/{verdict}"
    body = {"digest": gate.patch.sha256} | ({"reason": "The canary failed."} if verdict == "reject" else {})
    assert Api(user=alice).post(path, body).status_code == 200
    dispatch()
    out, err = job.communicate(timeout=60)
    return job.returncode, out, err


@pytest.mark.parametrize(("verdict", "code", "told"), [("approve", 0, "deployed shop 7"), ("reject", 1, "refused")])
def test_a_shell_job_deploys_only_what_was_approved(surroundings, alice, tmp_path, verdict, code, told):
    variables = {"SERVICE": "shop", "VERSION": "7", "WORKFLOW": "shop", "RUN_ID": "17", "DEPLOY": "deploy.sh"}
    command = ["bash", EXAMPLES / "ci-job.sh"]
    ended = decided_while(command, surroundings | variables, alice, verdict=verdict, cwd=tmp_path)
    assert ended[0] == code, ended
    assert told in ended[1] + ended[2]
    assert ("deployed" in ended[1]) == (verdict == "approve")


def test_a_github_workflow_asks_before_its_second_job(surroundings, alice, tmp_path):
    workflow = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
    jobs = workflow["jobs"]
    assert jobs["deploy"]["needs"] == "approval"
    steps = "\n".join(step["run"] for step in jobs["approval"]["steps"] if "run" in step)
    given = ("GITHUB_REPOSITORY", "GITHUB_WORKFLOW", "GITHUB_JOB", "GITHUB_RUN_ID", "GITHUB_SHA", "VERSION")
    environment = surroundings | dict.fromkeys(given, "x1")
    code, out, err = decided_while(["bash", "-ec", steps], environment, alice, verdict="approve", cwd=tmp_path)
    assert code == 0, err
    assert "approved by alice" in out


def test_a_gitlab_pipeline_asks_before_its_second_stage(surroundings, alice, tmp_path):
    pipeline = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
    assert pipeline["deploy"]["needs"] == ["approval"]
    script = "\n".join(pipeline["approval"]["script"])
    given = ("CI_PROJECT_PATH", "CI_COMMIT_SHORT_SHA", "CI_COMMIT_SHA", "CI_JOB_NAME", "CI_PIPELINE_ID")
    environment = surroundings | dict.fromkeys(given, "x1") | {"GITLAB_USER_EMAIL": "dev@example.org"}
    code, out, err = decided_while(["bash", "-ec", script], environment, alice, verdict="reject", cwd=tmp_path)
    assert code == 1, err
    assert "rejected by alice" in out


class Failed(Exception):
    pass


@pytest.fixture
def airflow(monkeypatch):
    """Stand in for Airflow, which is not installed: a task is its function, a DAG is not run at import."""
    decorators, exceptions = types.ModuleType("airflow.decorators"), types.ModuleType("airflow.exceptions")
    decorators.dag = lambda **options: lambda function: lambda: None
    decorators.task = lambda function=None, **options: function or (lambda inner: inner)
    exceptions.AirflowException = type("AirflowException", (Exception,), {})
    exceptions.AirflowFailException = type("AirflowFailException", (Exception,), {})
    for name, module in {
        "airflow": types.ModuleType("airflow"),
        "airflow.decorators": decorators,
        "airflow.exceptions": exceptions,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    return exceptions


def imported(name: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(**runpy.run_path(str(EXAMPLES / f"{name}.py")))


def test_an_airflow_task_waits_over_its_retries_and_fails_for_good_when_refused(
    surroundings, airflow, alice, monkeypatch, make_patch
):
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    example = imported("airflow_dag")
    monkeypatch.setattr(example.Gate, "wait_for_approval", _at_most(example.Gate.wait_for_approval, 0))
    with pytest.raises(airflow.AirflowException, match="Nobody decided"):
        example.approval("rollout", "run-1")
    gate = Decision.objects.get()
    body = {"digest": gate.patch.sha256, "reason": "The canary failed."}
    assert Api(user=alice).post(f"/api/approvals/{gate.decision_id}/reject", body).status_code == 200
    with pytest.raises(airflow.AirflowFailException, match="rejected by alice: The canary failed"):
        example.approval("rollout", "run-1")
    assert Decision.objects.count() == 1


def test_a_step_of_ones_own_engine_fails_closed(surroundings, alice, monkeypatch):
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    example = imported("dag_step")
    with pytest.raises(example.NotApproved, match="Nobody decided"):
        example.wait_for_people("Roll out", "engine", "step", "run-1", seconds=0)
    gate = Decision.objects.get()
    Api(user=alice).post(f"/api/approvals/{gate.decision_id}/approve", {"digest": gate.patch.sha256})
    assert example.wait_for_people("Roll out", "engine", "step", "run-1") == "alice"
    monkeypatch.setattr(example.Gate, "from_environment", lambda: example.Gate("http://127.0.0.1:1", "x", patience=0))
    with pytest.raises(example.NotApproved, match="127.0.0.1:1"):
        example.wait_for_people("Roll out", "engine", "step", "run-2", seconds=0)


def test_a_deployer_applies_what_was_approved_once(surroundings, token_for, make_patch, alice, approve, tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=repository, check=True)
    (repository / "app.py").write_text("one\ntwo\nthree\n")
    subprocess.run(["git", "add", "app.py"], cwd=repository, check=True)
    change = "--- a/app.py\n+++ b/app.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    approve(make_patch(severity="low", diff=change), alice)
    approve(make_patch(severity="low", diff=change.replace("2\n", "3\n", 1)), alice, Verdict.REJECT)
    dispatch()
    environment = surroundings | {"HITL_TOKEN": token_for("deployer", "argo")}
    command = [sys.executable, EXAMPLES / "deployer.py", repository, tmp_path / "cursor", "--once"]
    printed = [
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout for _ in range(2)
    ]
    assert printed == ["1 PATCH-0001 applied\n", ""]
    assert (repository / "app.py").read_text() == "one\n2\nthree\n"
    assert Acknowledgement.objects.count() == 2
    assert OutcomeReport.objects.get().result == "deployed"


def _at_most(wait, seconds):
    return lambda gate, approval_id, given: wait(gate, approval_id, min(given, seconds))
