"""An MCP server for coding agents: hand in a patch, ask for an approval, wait, and learn why it was refused. No tool
decides anything, and the token of a producer could not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from .answers import Decision, Outcome
from .errors import GateError, NotDecided
from .gate import Gate

LONGEST_WAIT = 50.0  # seconds; clients give up on a call after 60
STEP = 5.0  # seconds between two reports of progress

INSTRUCTIONS = """\
People decide about patches and about steps of workflows; you cannot. Hand in a patch with submit_patch, or ask for an
approval with ask_approval, then call wait_for_decision with the id until still_pending is false. Go on only if approved
is true. If changes were requested or it was rejected, read category, reason and comments, improve the patch and submit
it again under the same patch_id: that is its next revision."""


class Line(BaseModel):
    """What a person wrote; `file`, `line` and `side` (old, new) where they meant a line."""

    author: str
    text: str
    file: str = ""
    line: int = 0
    side: str = ""


class Answer(BaseModel):
    """How a decision stands."""

    id: str
    status: str
    approved: bool = Field(description="true only for an approval in force")
    still_pending: bool = Field(description="nobody has decided yet: call wait_for_decision again")
    decided_by: str = ""
    category: str = Field("", description="why it was refused, as a code")
    reason: str = Field("", description="why it was refused, in words")
    comments: list[Line] = []
    why_people: list[str] = Field([], description="conditions of automatic approval that were not met")
    warnings: list[str] = Field([], description="what the reader of the patch found odd")
    url: str = Field("", description="where people decide; show it to your user")


def serve(gate: Gate) -> None:
    """Answer on standard input and output until the client closes it. Nothing else may be printed."""
    server_of(gate).run("stdio")


def server_of(gate: Gate) -> MCPServer:
    """Return the server with its three tools."""
    server = MCPServer("hitl-gate", instructions=INSTRUCTIONS, version="0.1.0")

    @server.tool()
    def submit_patch(
        patch_id: str,
        title: str,
        diff: str,
        severity: str,
        package_name: str = "",
        repository: str = "",
        description: str = "",
        cve_id: str = "",
        ecosystem: str = "",
        current_version: str = "",
        target_version: str = "",
    ) -> Answer:
        """Hand in a patch for people to decide. The same content again changes nothing; other content under the same
        patch_id is its next revision. severity: low, medium, high, critical or unknown. Give package_name or
        repository. diff: the whole patch in unified form, as `git diff` prints it."""
        given = {
            "title": title,
            "description": description,
            "cve_id": cve_id,
            "package_name": package_name,
            "repository": repository,
            "ecosystem": ecosystem,
            "current_version": current_version,
            "target_version": target_version,
        }
        metadata = {"apv_id": patch_id, "severity": severity} | {name: text for name, text in given.items() if text}
        try:
            sent = gate.submit({"patch_id": patch_id, "patch_metadata": metadata}, diff.encode())
            return _answer(gate.decision(sent.decision_id), sent.warnings)
        except GateError as error:
            raise ToolError(str(error)) from error

    @server.tool()
    def ask_approval(title: str, workflow_id: str, job_id: str, execution_id: str, description: str = "") -> Answer:
        """Ask people to approve one step that has no patch, such as a deployment. The three ids name it: asking again
        with the same ids and words changes nothing. description: what will happen, and what speaks for it."""
        ids = {"workflow_id": workflow_id, "job_id": job_id, "execution_id": execution_id}
        try:
            asked = gate.ask(title, description=description, **ids)
        except GateError as error:
            raise ToolError(str(error)) from error
        return _answer(asked, asked.notes)

    @server.tool()
    async def wait_for_decision(id: str, context: Context[Any], kind: str = "patch", seconds: float = 45.0) -> Answer:
        """Wait up to `seconds` (0 to 50) until people have decided, and return how it stands. kind: 'patch' for an id
        of submit_patch, 'approval' for one of ask_approval. While still_pending is true, call this again."""
        if kind not in {"patch", "approval"}:
            raise ToolError("kind is 'patch' or 'approval'")
        wait = gate.wait if kind == "patch" else gate.wait_for_approval
        started = time.monotonic()
        deadline = started + max(0.0, min(seconds, LONGEST_WAIT))
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                return _answer(await asyncio.to_thread(wait, id, min(left, STEP)))
            except NotDecided as error:
                if left <= STEP:
                    return _answer(error.pending)
            except GateError as error:
                raise ToolError(str(error)) from error
            spent = time.monotonic() - started
            await context.report_progress(spent, deadline - started, "People have not decided yet.")

    return server


def _answer(found: Outcome, warnings: Sequence[str] = ()) -> Answer:
    comments = found.comments if isinstance(found, Decision) else ()
    trace = found.trace if isinstance(found, Decision) else ()
    return Answer(
        id=found.id,
        status=found.status,
        approved=found.approved,
        still_pending=found.pending,
        decided_by=found.decided_by or "",
        category=found.category or "",
        reason=found.reason or "",
        comments=[
            Line(
                author=row["author"],
                text=row["text"] or "",
                file=row["file"] or "",
                line=row["line"] or 0,
                side=row["side"] or "",
            )
            for row in comments
        ],
        why_people=[f"{row.text}: {row.value}" for row in trace if row.outcome != "pass"],
        warnings=list(warnings),
        url=found.url,
    )
