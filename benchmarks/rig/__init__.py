"""What the benchmarks share. Importing it points this process at data of its own and sets Django up."""

import os
import tempfile
from pathlib import Path

import django

DATA = Path(tempfile.mkdtemp(prefix="hitl-bench-"))
"""Removed by `serving.product()`; a benchmark never touches the data of `make run`."""

os.environ["HITL_DATA_DIR"] = str(DATA)
os.environ["DJANGO_SETTINGS_MODULE"] = "hitl.settings"
os.environ["RATE_LIMIT_REQUESTS_PER_MINUTE"] = "0"
os.environ["RATE_LIMIT_PAGES_PER_MINUTE"] = "0"
os.environ["RATE_LIMIT_ANONYMOUS_PER_MINUTE"] = "0"
os.environ["SECOND_PERSON_REQUIRED"] = "false"  # policies and producers that let everything through
os.environ["LOG_LEVEL"] = "WARNING"
for name in ("DATABASE_URL", "SECRET_KEY"):
    os.environ.pop(name, None)
django.setup()
