"""A provider of single sign-on on this machine, and browsers that go there and come back."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from tests.ports import free_port

GROUPS = {"sec-reviewers": "reviewer", "sec-leads": "security-leads"}
START_SECONDS = 120.0


@pytest.fixture(scope="session")
def provider() -> Iterator[str]:
    """The issuer of a provider that lets everybody in as whom they say they are."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer, deadline = f"http://localhost:{port}", time.monotonic() + START_SECONDS
    try:
        while True:
            try:
                requests.get(f"{issuer}/.well-known/openid-configuration", timeout=2).raise_for_status()
                break
            except requests.RequestException:
                assert time.monotonic() < deadline, "the provider did not start"
                time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def single_sign_on(provider: str, settings: Any, db: None) -> str:
    """The settings of an install with that provider; returns its issuer."""
    app = {"provider_id": "sso", "client_id": "hitl", "secret": "s", "settings": {"server_url": provider}}
    shipped = django_settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {**shipped, "APPS": [app]}}
    settings.OIDC_ISSUER, settings.OIDC_GROUPS = provider, GROUPS
    return provider


@pytest.fixture
def says(single_sign_on: str) -> Callable[..., None]:
    """Return a function that sets what the provider says of a subject."""

    def set_claims(subject: str, **claims: Any) -> None:
        requests.put(f"{single_sign_on}/users/{subject}", json=claims, timeout=5).raise_for_status()

    return set_claims


@pytest.fixture
def through_provider(single_sign_on: str) -> Callable[..., Any]:
    """Return a function by which a browser signs in as a subject, and gets the answer to its coming back."""

    def go(subject: str, client: Client | None = None, start: str = "", **sent: str) -> Any:
        client = client or Client()
        leaving = client.post(start or reverse("openid_connect_login", args=["sso"]), {"process": "login", **sent})
        assert leaving.status_code == 302, leaving.content.decode()
        there = requests.post(leaving["Location"], {"sub": subject}, allow_redirects=False, timeout=5)
        back = urlsplit(there.headers["Location"])
        answer = client.get(f"{back.path}?{back.query}")
        answer.asked, answer.browser = leaving["Location"], client  # type: ignore[attr-defined]
        return answer

    return go
