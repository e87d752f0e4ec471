"""Periodic jobs, run by procrastinate: they deliver, gather and tidy; each is safe to run twice or late."""

from django.utils import timezone
from procrastinate.contrib.django import app

from notifications.services import deliveries, digests, notices, tidying


@app.periodic(cron="* * * * * */10", periodic_id="deliver")
@app.task(queueing_lock="deliver", pass_context=False)
def deliver(timestamp: int = 0) -> None:
    """Send every delivery that is due."""
    while deliveries.deliver_due(timezone.now()):
        pass


@app.periodic(cron="* * * * * */15", periodic_id="gather")
@app.task(queueing_lock="gather", pass_context=False)
def gather(timestamp: int = 0) -> None:
    """Write the digests and summaries that are due."""
    digests.gather_due(timezone.now())


@app.periodic(cron="29 * * * *", periodic_id="forget_counts")
@app.task(queueing_lock="forget_counts", pass_context=False)
def forget_counts(timestamp: int = 0) -> None:
    """Delete the counts of past hours."""
    notices.forget_counts(timezone.now())


@app.periodic(cron="41 * * * *", periodic_id="tidy_deliveries")
@app.task(queueing_lock="tidy_deliveries", pass_context=False)
def tidy_deliveries(timestamp: int) -> None:
    """Delete what is over and read, after a month; what was given up after three."""
    while tidying.tidy(timezone.now()):
        pass
