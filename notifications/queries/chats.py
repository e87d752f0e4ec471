"""Who is who in a chat, and which of its messages still stand open."""

from notifications.models import Hours
from postgresql.statements import query

# A message with buttons is about a decision, whose id is its subject.
OPEN_SUBJECTS_SQL = """
select distinct notice.subject
from notifications_delivery delivery join notifications_notice notice on notice.id = delivery.notice_id
where delivery.receipt <> '' and delivery.closing = ''
"""


def open_subjects() -> list[str]:
    """Return what the messages with buttons are about that stand open."""
    return [subject for (subject,) in query(OPEN_SUBJECTS_SQL)]


def person_of_slack(slack_id: str, home: str) -> int | None:
    """Return whose Slack user this is, by their key."""
    rows = Hours.objects.filter(slack_id=slack_id, slack_home=home).exclude(slack_id="")
    return rows.values_list("person_id", flat=True).first()


def slack_user_of(person: int) -> str:
    """Return a person's Slack user, '' where they linked none."""
    return Hours.objects.filter(person=person).values_list("slack_id", flat=True).first() or ""
