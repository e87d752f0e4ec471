"""A thousand patches in a minute, and two hundred people who are told of each."""

from typing import Any

import pytest

from tests.notifications.test_storm import two_hundred_hear

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]


def test_each_gets_the_limit_of_messages_and_one_summary_names_the_rest(settings: Any) -> None:
    settings.NOTIFICATIONS_PER_HOUR = 10
    two_hundred_hear(1_000)
