"""Fixtures of the imports: an empty schema, and one with the tables of either system."""

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from .other_database import S1, S3, SCHEMA, Other


@pytest.fixture
def other():
    """Give a test an empty schema, reached by an address of its own; what the test does is dropped afterwards."""
    entry = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    dsn = make_conninfo(
        "",
        options=f"-c search_path={SCHEMA}",
        **{name: str(entry[key]) for name, key in names.items() if entry[key]},
    )
    with psycopg.connect(dsn, autocommit=True) as own:
        own.execute(f"drop schema if exists {SCHEMA} cascade")
        own.execute(f"create schema {SCHEMA}")
        yield Other(own, dsn)
        own.execute(f"drop schema {SCHEMA} cascade")


@pytest.fixture
def s1(other):
    other.run(S1)
    return other


@pytest.fixture
def s3(other):
    other.run(S3)
    return other
