"""Sessions that end while somebody is at work."""

import re


def lose_session_when_sending(page, act):
    """End the session at the moment a form is sent: before that the page would notice, and leave by itself."""

    def lose(route):
        page.context.clear_cookies(name="sessionid")
        route.continue_()

    page.route(re.compile(rf"/{act}\b"), lose, times=1)
