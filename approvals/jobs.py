"""Periodic jobs, run by procrastinate: each calls one service, and is safe to run twice or late."""

from contextlib import suppress
from typing import Any

from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.tasks import Task

from approvals.accounts.services import guessing
from approvals.adapters import github
from approvals.services import chat, deployments, idempotency, kpi_snapshots, timers, webhooks
from approvals.telling import entries, weekly
from notifications.jobs import deliver

STALLED = 30  # seconds without a heartbeat after which a killed worker's job is run again
BATCH = 200


@app.periodic(cron="* * * * * */5", periodic_id="expire")
@app.task(queueing_lock="expire", pass_context=False)
def expire(timestamp: int) -> None:
    """End every decision whose time is over now, whatever tick started the job."""
    while timers.expire_due(timezone.now(), BATCH):
        pass


@app.periodic(cron="* * * * * */15", periodic_id="escalate")
@app.task(queueing_lock="escalate", pass_context=False)
def escalate(timestamp: int) -> None:
    """Escalate every decision that waited too long, level by level."""
    while timers.escalate_due(timezone.now(), BATCH):
        pass


@app.periodic(cron="* * * * * */15", periodic_id="remind")
@app.task(queueing_lock="remind", pass_context=False)
def remind(timestamp: int) -> None:
    """Write the due reminders of every decision whose time runs out."""
    while timers.remind_due(timezone.now(), BATCH):
        pass


@app.periodic(cron="* * * * * */15", periodic_id="tell")
@app.task(queueing_lock="tell", pass_context=False)
def tell(timestamp: int = 0) -> None:
    """Tell people what the log says, and of decisions whose SLA ends soon; then send. The sequencer asks for it."""
    told = 0
    while looked_at := entries.tell(timezone.now(), BATCH):
        told += looked_at
    while warned := entries.warn_due(timezone.now(), BATCH):
        told += warned
    if told:
        ask_for(deliver)


@app.periodic(cron="* * * * * */10", periodic_id="tell_endpoints")
@app.task(queueing_lock="tell_endpoints", pass_context=False)
def tell_endpoints(timestamp: int = 0) -> None:
    """Make deliveries of what the feed has for endpoints, then send them; the sequencer asks for it."""
    webhooks.note_disabled(timezone.now())
    told = 0
    while looked_at := webhooks.tell_endpoints(timezone.now(), BATCH):
        told += looked_at
    if told:
        ask_for(deliver)


@app.periodic(cron="*/10 * * * *", periodic_id="tell_weekly")
@app.task(queueing_lock="tell_weekly", pass_context=False)
def tell_weekly(timestamp: int) -> None:
    """Send the weekly digest to those for whom it is due."""
    weekly.tell_weekly(timezone.now())


def ask_for(task: Task[Any, Any, Any]) -> None:
    """Have a job run as soon as possible; once, if it waits already."""
    with suppress(AlreadyEnqueued), transaction.atomic():
        task.defer()


@app.periodic(cron="*/5 * * * *", periodic_id="alarm_never_fetched")
@app.task(queueing_lock="alarm_never_fetched", pass_context=False)
def alarm_never_fetched(timestamp: int) -> None:
    """Raise the alarm for every approval that no deployer has taken notice of in time."""
    while deployments.alarm_never_fetched(timezone.now(), BATCH):
        pass


@app.periodic(cron="* * * * * */20", periodic_id="sum_up")
@app.task(queueing_lock="sum_up", pass_context=False)
def sum_up(timestamp: int) -> None:
    """Write the one entry of each lock-out that is over."""
    while guessing.sum_up(timezone.now(), BATCH):
        pass


@app.periodic(cron="* * * * * */10", periodic_id="close_messages")
@app.task(queueing_lock="close_messages", pass_context=False)
def close_messages(timestamp: int) -> None:
    """Take the buttons from messages in chats whose decision has ended."""
    chat.close_messages(timezone.now())


@app.periodic(cron="* * * * * */5", periodic_id="answer_deployments")
@app.task(queueing_lock="answer_deployments", pass_context=False)
def answer_deployments(timestamp: int) -> None:
    """Tell GitHub what was decided about deployments that wait for it; what fails is tried again for a day."""
    github.answer_due(timezone.now())


@app.periodic(cron="*/1 * * * *", periodic_id="recover")
@app.task(queueing_lock="recover", pass_context=False)
async def recover(timestamp: int) -> None:
    """Put jobs of killed workers back; procrastinate leaves them in `doing` for ever."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED):
        await app.job_manager.retry_job(job)


@app.periodic(cron="17 3 * * *", periodic_id="tidy")
@app.task(queueing_lock="tidy", pass_context=False)
async def tidy(timestamp: int) -> None:
    """Remove finished jobs older than a day; periodic jobs would fill the table."""
    await app.job_manager.delete_old_jobs(nb_hours=24, include_failed=False)


@app.periodic(cron="23 * * * *", periodic_id="forget")
@app.task(queueing_lock="forget", pass_context=False)
def forget(timestamp: int) -> None:
    """Delete stored answers after a day, and attempts at passwords that no limit counts any more."""
    idempotency.forget(timezone.now())
    guessing.forget_old(timezone.now())


@app.periodic(cron="* * * * *", periodic_id="count_ahead")
@app.task(queueing_lock="count_ahead", pass_context=False)
def count_ahead(timestamp: int) -> None:
    """Compute the KPI snapshot of the last 30 days and its trends, for the queue's tiles."""
    kpi_snapshots.keep_kpi_snapshot(timezone.now())
