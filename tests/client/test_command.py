"""The command hitl-gate: what it prints, and the exit codes that a job of a pipeline branches on."""

import json
import sys

import pytest
from django.utils import timezone

from approvals.models import Acknowledgement, Verdict
from approvals.services.dispatch import dispatch
from approvals.services.lifecycle import revoke
from hitl_gate.command import main
from tests.cast import actor_for, document

pytestmark = pytest.mark.django_db(transaction=True)
APPROVED, NOT_APPROVED, USAGE, NOT_DECIDED, NOT_REACHABLE = range(5)


@pytest.fixture
def as_token(live_server, monkeypatch, tmp_path):
    """Return a function that makes the command act with a token, which it reads from a file."""

    def use(secret: str) -> None:
        file = tmp_path / "token"
        file.write_text(secret + "\n")
        monkeypatch.setenv("HITL_URL", live_server.url)
        monkeypatch.setenv("HITL_TOKEN_FILE", str(file))
        monkeypatch.delenv("HITL_TOKEN", raising=False)

    return use


@pytest.fixture
def as_producer(as_token, token_for):
    as_token(token_for("producer"))


@pytest.fixture
def as_deployer(as_token, token_for):
    as_token(token_for("deployer", "argo"))


def test_submit_says_what_became_of_the_patch(as_producer, tmp_path, capsys):
    file = tmp_path / "patch.json"
    file.write_text(json.dumps(document()))
    assert main(["submit", str(file)]) == APPROVED
    assert capsys.readouterr().out.startswith("pending: PATCH-0001 revision 1, decision ")
    assert main(["submit", str(file), "--json"]) == APPROVED
    assert json.loads(capsys.readouterr().out)["status"] == "pending"


def test_submit_reads_the_diff_from_its_own_file(as_producer, tmp_path, capsys):
    whole = document()
    (tmp_path / "change.diff").write_text(whole.pop("diff"))
    (tmp_path / "patch.json").write_text(json.dumps(whole))
    arguments = ["submit", str(tmp_path / "patch.json"), "--diff", str(tmp_path / "change.diff"), "--json"]
    assert main(arguments) == APPROVED
    assert json.loads(capsys.readouterr().out)["parse_warnings"] == []


def test_what_people_refused_fails_the_job_and_says_why(as_producer, make_patch, alice, approve, capsys):
    decision = make_patch(severity="low")
    approve(decision, alice, Verdict.REJECT)
    assert main(["wait", str(decision.decision_id)]) == NOT_APPROVED
    assert capsys.readouterr().out == "rejected by alice (incomplete): It misses the second call site.\n"


def test_what_people_approved_lets_the_job_go_on(as_producer, make_patch, alice, approve, capsys):
    decision = make_patch(severity="low")
    approve(decision, alice)
    assert main(["wait", str(decision.decision_id)]) == APPROVED
    assert capsys.readouterr().out == "approved by alice\n"


def test_time_that_runs_out_is_told_from_a_refusal(as_producer, make_patch, capsys):
    decision = make_patch()
    assert main(["wait", str(decision.decision_id), "--for", "0s"]) == NOT_DECIDED
    told = capsys.readouterr()
    assert told.out == "pending\n"
    assert str(decision.decision_id) in told.err


def test_a_gate_asks_and_fails_closed(as_producer, capsys):
    arguments = ["approve-gate", "Deploy shop 7", "--workflow", "deploy", "--job", "prod", "--execution", "17"]
    assert main([*arguments, "--context", "image=shop:7", "--expires", "1h", "--for", "0"]) == NOT_DECIDED
    assert "Waiting for an approval at http://" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["submit", "/nowhere/patch.json"], "No such file"),
        (["wait", "nothing-like-it"], "There is no such decision"),
        (["approve-gate", "", "--workflow", "a", "--job", "b", "--execution", "c"], "title"),
    ],
)
def test_wrong_use_is_said_and_told_from_a_refusal(as_producer, arguments, why, capsys):
    assert main(arguments) == USAGE
    assert why in capsys.readouterr().err


def test_a_list_is_no_patch(as_producer, tmp_path, capsys):
    (tmp_path / "patch.json").write_text("[]")
    assert main(["submit", str(tmp_path / "patch.json")]) == USAGE
    assert "no JSON object" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["wait"], ["wait", "x", "--for", "soon"], ["wait", "x", "--for", "99d"]])
def test_arguments_that_are_wrong_end_with_the_same_code(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == USAGE


def test_without_an_address_or_token_it_says_what_to_set(monkeypatch, capsys):
    for name in ("HITL_URL", "HITL_TOKEN", "HITL_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert main(["wait", "x"]) == USAGE
    assert "Set HITL_URL" in capsys.readouterr().err
    monkeypatch.setenv("HITL_URL", "https://hitl.example.org")
    assert main(["wait", "x"]) == USAGE
    assert "Set HITL_TOKEN_FILE" in capsys.readouterr().err


def test_a_service_that_is_away_has_a_code_of_its_own(as_producer, monkeypatch, capsys):
    monkeypatch.setenv("HITL_URL", "http://127.0.0.1:1")
    assert main(["wait", "x", "--patience", "0", "--for", "0"]) == NOT_REACHABLE
    assert "not reachable" in capsys.readouterr().err


@pytest.fixture
def approved(make_patch, alice, approve):
    decision = make_patch(severity="low")
    approve(decision, alice)
    dispatch()
    return decision


def test_watch_hands_each_item_to_a_program_once(as_deployer, approved, tmp_path, capfd):
    cursor, handled = tmp_path / "cursor", tmp_path / "handled"
    program = [sys.executable, "-c", f"import sys; open({str(handled)!r}, 'a').write(sys.stdin.read())"]
    for _ in range(2):
        assert main(["watch", "--cursor", str(cursor), "--once", "--acknowledge", "--", *program]) == APPROVED
    [line] = handled.read_text().splitlines()
    assert json.loads(line)["decision_id"] == str(approved.decision_id)
    assert Acknowledgement.objects.get().feed_entry.decision_id == approved.pk


def test_a_program_that_fails_gets_its_item_again(as_deployer, approved, tmp_path, capfd):
    cursor = tmp_path / "cursor"
    failing = [sys.executable, "-c", "import sys; sys.exit(3)"]
    assert main(["watch", "--cursor", str(cursor), "--once", "--", *failing]) == NOT_APPROVED
    assert "ended with 3 at position 1: it comes again" in capfd.readouterr().err
    assert main(["watch", "--cursor", str(cursor), "--once"]) == APPROVED
    assert json.loads(capfd.readouterr().out)["position"] == 1


def test_report_compares_the_applied_file_with_what_was_approved(as_deployer, approved, tmp_path, capsys):
    file = tmp_path / "approved.diff"
    main(["fetch", str(approved.decision_id), "--output", str(file)])
    arguments = ["report", str(approved.decision_id), "deployed", "--applied", str(file)]
    assert main([*arguments, "--at", timezone.now().isoformat()]) == APPROVED
    file.write_text("other bytes")
    assert main(arguments) == NOT_APPROVED
    assert "which is of no revision of this patch" in capsys.readouterr().err


def test_fetch_writes_approved_bytes_and_nothing_after_a_revocation(as_deployer, approved, lena, tmp_path, capsys):
    file = tmp_path / "approved.diff"
    assert main(["fetch", str(approved.decision_id), "--output", str(file)]) == APPROVED
    assert file.read_bytes().startswith(b"diff --git ")
    file.unlink()
    revoke(approved.decision_id, "It breaks the build.", user=lena, actor=actor_for(lena), now=timezone.now())
    assert main(["fetch", str(approved.decision_id), "--output", str(file)]) == NOT_APPROVED
    assert not file.exists()
