"""Readiness for who distributes requests: without the worker, else nobody would be sent anywhere when that stops."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from hitl import ops

pytestmark = pytest.mark.django_db


def test_the_worker_is_left_out():
    client = Client()
    assert client.get("/readyz").json() == {"ready": False, "missing": ["worker"]}
    assert client.get("/readyz?without=worker").json() == {"ready": True, "missing": []}


@pytest.mark.parametrize("query", ["without=migrations", "without=database", "without=", "worker", "without=workers"])
def test_nothing_else_is(query):
    assert Client().get(f"/readyz?{query}").json()["missing"] == ["worker"]


def test_migrations_are_asked_for(monkeypatch):
    monkeypatch.setattr(ops, "known", {"migrated": False})
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("audit", max(name for app, name in recorder.applied_migrations() if app == "audit"))
    assert Client().get("/readyz?without=worker").json() == {"ready": False, "missing": ["migrations"]}


def test_the_database_is_asked_for(no_database):
    assert Client().get("/readyz?without=worker").json() == {"ready": False, "missing": ["database"]}
