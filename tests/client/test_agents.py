"""A coding agent at the MCP server, with the SDK's own client: it hands in, waits, reads the refusal, never decides."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from approvals.models import Decision, Verdict
from tests.cast import DIFF

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
SOURCE = Path(__file__).resolve().parents[2] / "client" / "src"
PATCH = {
    "patch_id": "agent-1",
    "title": "Quote the name in the query",
    "diff": DIFF,
    "severity": "low",
    "package_name": "shop",
}


@pytest.fixture
def agent(live_server, token_for, tmp_path):
    """Return a context of a session with the server, which runs as an agent starts it."""
    file = tmp_path / "token"
    file.write_text(token_for("producer"))
    environment = {"HITL_URL": live_server.url, "HITL_TOKEN_FILE": str(file), "PYTHONPATH": str(SOURCE)}
    command = StdioServerParameters(command=sys.executable, args=["-m", "hitl_gate", "mcp"], env=environment)

    @asynccontextmanager
    async def session():
        async with stdio_client(command) as (read, write), ClientSession(read, write) as made:
            await made.initialize()
            yield made

    return session


def test_an_agent_learns_why_its_patch_was_refused_and_gets_the_next_one_approved(agent, alice, approve):
    async def work():
        async with agent() as session:
            first = (await session.call_tool("submit_patch", PATCH)).structured_content
            assert (first["status"], first["approved"], first["still_pending"]) == ("pending", False, True)
            decision = await asyncio.to_thread(Decision.objects.get, decision_id=first["id"])
            await asyncio.to_thread(approve, decision, alice, Verdict.REQUEST_CHANGES)
            refused = (await session.call_tool("wait_for_decision", {"id": first["id"]})).structured_content
            assert refused["status"] == "changes_requested"
            assert refused["reason"] == "It misses the second call site."
            assert not refused["approved"]
            better = PATCH | {"diff": DIFF.replace("+", "+ ", 4)}
            second = (await session.call_tool("submit_patch", better)).structured_content
            assert second["id"] != first["id"]
            decision = await asyncio.to_thread(Decision.objects.get, decision_id=second["id"])
            await asyncio.to_thread(approve, decision, alice)
            done = (await session.call_tool("wait_for_decision", {"id": second["id"]})).structured_content
            assert done["approved"]
            assert done["decided_by"] == "alice"

    asyncio.run(work())


def test_an_agent_that_waits_is_told_that_it_goes_on(agent):
    async def work():
        async with agent() as session:
            ids = {"workflow_id": "deploy", "job_id": "approve", "execution_id": "1"}
            asked = await session.call_tool("ask_approval", {"title": "Deploy shop 7", **ids})
            approval = asked.structured_content["id"]
            wait = {"id": approval, "kind": "approval", "seconds": 0}
            answer = (await session.call_tool("wait_for_decision", wait)).structured_content
            assert answer["still_pending"]
            assert answer["url"].startswith("http://")

    asyncio.run(work())


def test_an_agent_has_no_tool_that_decides_and_reads_refusals_in_words(agent):
    async def work():
        async with agent() as session:
            tools = await session.list_tools()
            assert {tool.name for tool in tools.tools} == {"submit_patch", "ask_approval", "wait_for_decision"}
            answer = await session.call_tool("submit_patch", PATCH | {"severity": "dreadful"})
            assert answer.is_error
            assert "severity" in answer.content[0].text

    asyncio.run(work())
