"""An Airflow DAG whose deployment waits for people. A retry goes on with the same question."""

from datetime import datetime, timedelta

from airflow.decorators import dag, task
from airflow.exceptions import AirflowException, AirflowFailException

from hitl_gate import Gate, NotDecided, NotReachable


@task(retries=24, retry_delay=timedelta(seconds=30))
def approval(dag_id: str, run_id: str) -> str:
    """Return the id of the approval. Refused fails for good; not decided, or HITL away, is tried again."""
    gate = Gate.from_environment()
    try:
        asked = gate.ask("Roll out model 7", workflow_id=dag_id, job_id="approval", execution_id=run_id)
        answer = gate.wait_for_approval(asked.id, 300)
    except (NotDecided, NotReachable) as error:
        raise AirflowException(str(error)) from error
    if not answer.approved:
        raise AirflowFailException(f"{answer.status} by {answer.decided_by}: {answer.reason}")
    return answer.id


@task
def roll_out(approval_id: str) -> None:
    print(f"Rolling out under the approval {approval_id}.")


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def rollout():
    roll_out(approval("{{ dag.dag_id }}", "{{ run_id }}"))


rollout()
