"""A step of a workflow engine of your own: it returns only after people have approved, and raises otherwise."""

from hitl_gate import Gate, GateError


class NotApproved(Exception):
    """The step must not go on."""


def wait_for_people(title: str, workflow: str, step: str, run: str, seconds: float = 3600) -> str:
    """Return who approved. Raise NotApproved for everything else, an unreachable service too: it fails closed."""
    gate = Gate.from_environment()
    try:
        asked = gate.ask(title, workflow_id=workflow, job_id=step, execution_id=run)
        answer = gate.wait_for_approval(asked.id, seconds)
    except GateError as error:
        raise NotApproved(str(error)) from error
    if not answer.approved:
        raise NotApproved(f"{answer.status} by {answer.decided_by or 'nobody'}: {answer.reason or 'no reason'}")
    return answer.decided_by or "the policy"
