"""The jobs that deliver and tidy, run by procrastinate: safe to run twice, at the same time or late."""

from django.utils import timezone
from procrastinate.contrib.django import app

from notifications.services import deliveries, tidying


@app.periodic(cron="* * * * * */10", periodic_id="deliver")
@app.task(queueing_lock="deliver", pass_context=False)
def deliver(timestamp: int = 0) -> None:
    """Send every delivery that is due."""
    while deliveries.deliver_due(timezone.now()):
        pass


@app.periodic(cron="41 * * * *", periodic_id="tidy_deliveries")
@app.task(queueing_lock="tidy_deliveries", pass_context=False)
def tidy_deliveries(timestamp: int) -> None:
    """Delete what is over and read, after a month; what was given up after three."""
    while tidying.tidy(timezone.now()):
        pass
