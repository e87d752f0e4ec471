"""The command hitl-gate, for jobs of a pipeline: what it prints, and exit codes that a shell can branch on."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from .answers import Outcome, Submission
from .errors import DeploymentAlarm, FeedGap, GateError, NotDecided, NotReachable, WrongBytes
from .gate import Gate

APPROVED, NOT_APPROVED, USAGE, NOT_DECIDED, NOT_REACHABLE = range(5)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
EXIT_CODES = """exit codes:
  0  approved (submit without --wait: taken in; watch: the feed is handled)
  1  decided, and not approved; a handler of watch failed; bytes that are not those approved, a deployment alarm
  2  wrong use: arguments, token, or a request that HITL refuses
  3  not decided in time; it waits on
  4  HITL was not reachable

The address is in HITL_URL, the token in the file HITL_TOKEN_FILE names, or in HITL_TOKEN."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "mcp":
            return _serve_agents()
        code: int = options.run(Gate.from_environment(patience=options.patience), options)
    except NotDecided as error:
        _show(options, error.pending)
        print(error, file=sys.stderr)
        return NOT_DECIDED
    except NotReachable as error:
        print(f"HITL is not reachable: {error}", file=sys.stderr)
        return NOT_REACHABLE
    except (DeploymentAlarm, FeedGap, WrongBytes) as error:
        print(error, file=sys.stderr)
        return NOT_APPROVED
    except (GateError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return NOT_DECIDED
    return code


def submit(gate: Gate, options: argparse.Namespace) -> int:
    """Send a patch and, with --wait, wait for what people decide."""
    document = json.loads(_read(options.document))
    if not isinstance(document, dict):
        raise ValueError(f"{options.document} is no JSON object, as POST /hitl/patches takes it")
    sent = gate.submit(document, options.diff.read_bytes() if options.diff else None)
    if options.wait is None:
        _show(options, sent)
        return APPROVED
    return _ended(options, gate.wait(sent.decision_id, options.wait))


def wait(gate: Gate, options: argparse.Namespace) -> int:
    """Wait for the decision on a patch."""
    return _ended(options, gate.wait(options.decision_id, options.seconds))


def approve_gate(gate: Gate, options: argparse.Namespace) -> int:
    """Ask people to approve a step of a workflow and wait."""
    terms: dict[str, Any] = {
        "description": options.description,
        "context": dict(options.context) or None,
        "triggered_by": options.triggered_by,
        "timeout_ms": int(options.expires * 1000) if options.expires else None,
        "require_min_approvers": options.approvers,
        "allowed_approvers": options.approver or None,
    }
    asked = gate.ask(
        options.title,
        workflow_id=options.workflow,
        job_id=options.job,
        execution_id=options.execution,
        **{name: value for name, value in terms.items() if value is not None},
    )
    if asked.pending:
        print(f"Waiting for an approval at {asked.url}", file=sys.stderr)
    for note in asked.notes:
        print(f"Note: {note}", file=sys.stderr)
    return _ended(options, gate.wait_for_approval(asked.id, options.seconds))


def watch(gate: Gate, options: argparse.Namespace) -> int:
    """Hand every item of the feed to a program, or print it; remember what was handled."""
    handler = options.handler[1:] if options.handler[:1] == ["--"] else options.handler
    for item in gate.watch(options.cursor, follow=not options.once):
        line = json.dumps(item.raw)
        if not handler:
            print(line, flush=True)
            continue
        ended = subprocess.run(handler, input=line + "\n", text=True)
        if ended.returncode:
            print(
                f"{handler[0]} ended with {ended.returncode} at position {item.position}: it comes again next time.",
                file=sys.stderr,
            )
            return NOT_APPROVED
        if options.acknowledge:
            gate.acknowledge(item)
    return APPROVED


def fetch(gate: Gate, options: argparse.Namespace) -> int:
    """Write the approved bytes of a patch, checked against the digest that people approved."""
    decision = gate.decision(options.decision_id)
    if not decision.approved:
        return _ended(options, decision)
    content = gate.approved_bytes(decision)
    if options.output:
        options.output.write_bytes(content)
    else:
        sys.stdout.buffer.write(content)
    return APPROVED


def report(gate: Gate, options: argparse.Namespace) -> int:
    """Say what became of a patch: the digest of the file that was applied is compared with what was approved."""
    sha256 = hashlib.sha256(options.applied.read_bytes()).hexdigest()
    gate.report(gate.decision(options.decision_id), options.result, sha256, at=options.at, note=options.note)
    print(f"{options.result}: these are the approved bytes" if options.result == "deployed" else options.result)
    return APPROVED


def _ended(options: argparse.Namespace, outcome: Outcome) -> int:
    _show(options, outcome)
    return APPROVED if outcome.approved else NOT_APPROVED


def _show(options: argparse.Namespace, answer: Outcome | Submission) -> None:
    if options.json:
        print(json.dumps(answer.raw))
    elif isinstance(answer, Submission):
        print(f"{answer.status}: {answer.patch_id} revision {answer.revision}, decision {answer.decision_id}")
        for warning in answer.warnings:
            print(f"Warning: {warning}", file=sys.stderr)
    else:
        by = f" by {answer.decided_by}" if answer.decided_by else ""
        why = f": {answer.reason}" if answer.reason else ""
        category = f" ({answer.category})" if answer.category else ""
        print(f"{answer.status}{by}{category}{why}")


def _serve_agents() -> int:
    try:
        server = import_module("hitl_gate.agents")
    except ModuleNotFoundError as error:
        print(f"hitl-gate mcp needs the package {error.name}: pip install 'hitl-gate[mcp]'", file=sys.stderr)
        return USAGE
    server.serve(Gate.from_environment())
    return APPROVED


def _read(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


def _seconds(text: str) -> float:
    """Read '90', '90s', '30m', '2h' or '1d'."""
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    try:
        seconds = float(number) * unit
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 30m, 2h or 1d") from None
    if not 0 <= seconds <= 30 * UNITS["d"]:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 30d")
    return seconds


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-30T12:00:00+00:00") from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset, such as +00:00")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not name or not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    return name, value


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    common.add_argument("--patience", type=_seconds, default=60.0, help="how long a call tries again (60s)")
    parser = argparse.ArgumentParser("hitl-gate", description=__doc__, epilog=EXIT_CODES, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Any) -> argparse.ArgumentParser:
        text = str(run.__doc__)
        made = commands.add_parser(
            name, parents=[common], help=text, description=text, epilog=EXIT_CODES, formatter_class=form
        )
        made.set_defaults(run=run)
        return made

    command = add("submit", submit)
    command.add_argument("document", help="file with the JSON of one patch; - reads standard input")
    command.add_argument("--diff", type=Path, help="file with the diff, if it is not in the document")
    command.add_argument("--wait", type=_seconds, metavar="TIME", help="wait so long for the decision")

    command = add("wait", wait)
    command.add_argument("decision_id", help="the id that submit printed, or your own alias")
    command.add_argument("--for", dest="seconds", type=_seconds, default=3600.0, metavar="TIME", help="how long (1h)")

    command = add("approve-gate", approve_gate)
    command.add_argument("title", help="what is asked, as people read it")
    for name, text in (("workflow", "pipeline"), ("job", "job"), ("execution", "run")):
        command.add_argument(f"--{name}", required=True, metavar="ID", help=f"id of the {text}")
    command.add_argument("--description", help="what happens after an approval")
    command.add_argument("--context", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="shown")
    command.add_argument("--triggered-by", metavar="E-MAIL", help="who started it: may not approve it")
    command.add_argument("--approver", action="append", metavar="WHO", help="only these may approve; repeatable")
    command.add_argument("--approvers", type=int, metavar="N", help="how many must approve")
    command.add_argument("--expires", type=_seconds, metavar="TIME", help="end the question after this time")
    command.add_argument("--for", dest="seconds", type=_seconds, default=3600.0, metavar="TIME", help="how long (1h)")

    command = add("watch", watch)
    command.add_argument("--cursor", type=Path, required=True, help="file that remembers what was handled")
    command.add_argument("--once", action="store_true", help="end when everything so far is handled")
    command.add_argument("--acknowledge", action="store_true", help="acknowledge each item after its program")
    command.add_argument("handler", nargs=argparse.REMAINDER, help="-- program that gets each item on standard input")

    command = add("fetch", fetch)
    command.add_argument("decision_id", help="the decision")
    command.add_argument("--output", type=Path, help="file to write; else standard output")

    command = add("report", report)
    command.add_argument("decision_id", help="the decision")
    command.add_argument("result", choices=["deployed", "failed", "rolled_back"])
    command.add_argument("--applied", type=Path, required=True, metavar="FILE", help="the diff that was applied")
    command.add_argument("--at", type=_moment, metavar="TIME", help="when, with an offset (now)")
    command.add_argument("--note", default="", help="words for people")

    text = "Serve coding agents over standard input and output (MCP)."
    commands.add_parser("mcp", help=text, description=text)
    return parser
