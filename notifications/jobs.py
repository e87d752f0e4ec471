"""The job that delivers, run by procrastinate: safe to run twice, at the same time or late."""

from django.utils import timezone
from procrastinate.contrib.django import app

from notifications.services import deliveries


@app.periodic(cron="* * * * * */10", periodic_id="deliver")
@app.task(queueing_lock="deliver", pass_context=False)
def deliver(timestamp: int = 0) -> None:
    """Send every delivery that is due."""
    while deliveries.deliver_due(timezone.now()):
        pass
