"""The dashboards, and their queries with Grafana's variables filled in."""

import json
import re
from collections.abc import Iterator
from typing import Any

from .watching import GRAFANA

VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$namespace": ".*"}


def dashboards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))]


def panels() -> Iterator[dict[str, Any]]:
    for dashboard in dashboards():
        yield from dashboard["panels"]


def filled(expression: str) -> str:
    """Return a query as Grafana sends it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    left = re.findall(r"\$\w+", expression)
    assert not left, f"{left} in {expression}"
    return expression


def expressions() -> list[str]:
    """Return every query once."""
    return sorted({filled(target["expr"]) for panel in panels() for target in panel.get("targets", ())})
