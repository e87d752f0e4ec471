"""The traffic that the product needs passes the network policies, and other traffic does not: tables, both ends."""

from typing import Any

import pytest

from tests.ops.manifests import ROOT, rendered, templates
from tests.ops.network import End, Pod, lets_through

pytestmark = pytest.mark.slow
STAGING, PRODUCTION = "overlays/staging", "overlays/production"


def policies(*directories: str) -> list[dict[str, Any]]:
    return [thing for directory in directories for thing in rendered(directory) if thing["kind"] == "NetworkPolicy"]


def pods(directory: str, namespace: str) -> dict[str, End]:
    """Return the product's pods with the labels of their templates, and everybody around them."""
    own: dict[str, End] = {
        name: Pod(namespace, dict(it["metadata"]["labels"])) for name, it in templates(directory).items()
    }
    return own | {
        "ingress": Pod("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"}),
        "prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
        "producer": Pod("patchgen", {"hitl-client": "producer"}),
        "deployer": Pod("rollouts", {"hitl-client": "deployer"}),
        "dns": Pod("kube-system", {"k8s-app": "kube-dns"}),
        "solver": Pod(namespace, {"acme.cert-manager.io/http01-solver": "true"}),
        "postgresql": Pod(namespace, {"cnpg.io/cluster": "hitl-database", "cnpg.io/instanceRole": "primary"}),
        "replica": Pod(namespace, {"cnpg.io/cluster": "hitl-database", "cnpg.io/instanceRole": "replica"}),
        "operator": Pod("cnpg-system", {"app.kubernetes.io/name": "cloudnative-pg"}),
        # Who has no business here.
        "stranger": Pod("default", {"app.kubernetes.io/name": "shop"}),
        "stranger's client": Pod("default", {"hitl-client": "auditor"}),
        "false ingress": Pod("default", {"app.kubernetes.io/name": "ingress-nginx"}),
        "false prometheus": Pod("default", {"app.kubernetes.io/name": "prometheus"}),
        "neighbour": Pod(namespace, {"app.kubernetes.io/name": "shop"}),
        "other postgresql": Pod("default", {"cnpg.io/cluster": "hitl-database"}),
        "false dns": Pod("default", {"k8s-app": "kube-dns"}),
        # Addresses.
        "managed postgresql": "10.20.0.5",
        "node dns": "169.254.20.10",
        "internet": "203.0.113.9",
        "internet v6": "2001:db8::9",
        "cloud metadata": "169.254.169.254",
        "cloud metadata v6": "fd00:ec2::254",
        "azure's wire server": "168.63.129.16",
        "alibaba's metadata": "100.100.100.200",
        "api server": "10.96.0.1",
        "intranet": "192.168.7.7",
    }


PRODUCT = ("web", "worker", "migrate", "backup")
NEEDED = [
    ("ingress", "web", "TCP", 8027),
    ("prometheus", "web", "TCP", 8027),
    ("producer", "web", "TCP", 8027),
    ("deployer", "web", "TCP", 8027),
    ("ingress", "solver", "TCP", 8089),
    *[(own, dns, protocol, 53) for own in PRODUCT for dns in ("dns", "node dns") for protocol in ("UDP", "TCP")],
    # Single sign-on and mail of one-time links by web, webhooks and mail by the worker.
    *[
        (own, to, "TCP", port)
        for own in ("web", "worker")
        for to in ("internet", "internet v6")
        for port in (443, 587, 465)
    ],
]
IN_STAGING = [
    *[(own, "postgresql", "TCP", 5432) for own in PRODUCT],
    ("web", "replica", "TCP", 5432),
    ("replica", "postgresql", "TCP", 5432),
    ("postgresql", "replica", "TCP", 8000),
    ("operator", "postgresql", "TCP", 8000),
    ("operator", "replica", "TCP", 5432),
    ("prometheus", "postgresql", "TCP", 9187),
    ("postgresql", "dns", "UDP", 53),
    ("postgresql", "api server", "TCP", 443),
    ("postgresql", "api server", "TCP", 6443),
]
IN_PRODUCTION = [(own, "managed postgresql", "TCP", 5432) for own in PRODUCT]

BLOCKED = [
    *[
        (other, "web", "TCP", 8027)
        for other in ("stranger", "stranger's client", "neighbour", "worker", "web", "internet")
    ],
    *[(other, "web", "TCP", 8027) for other in ("false ingress", "false prometheus", "postgresql", "solver")],
    ("ingress", "web", "TCP", 22),
    ("ingress", "web", "UDP", 8027),
    *[
        (other, own, "TCP", 8027)
        for other in ("ingress", "prometheus", "producer")
        for own in ("worker", "migrate", "backup")
    ],
    ("stranger", "solver", "TCP", 8089),
    ("ingress", "neighbour", "TCP", 8027),
    *[
        (own, to, "TCP", port)
        for own in PRODUCT
        for to in (
            "cloud metadata",
            "cloud metadata v6",
            "azure's wire server",
            "alibaba's metadata",
            "api server",
            "intranet",
        )
        for port in (80, 443, 53)
    ],
    *[
        (own, to, "TCP", 443)
        for own in PRODUCT
        for to in ("stranger", "neighbour", "prometheus", "web", "dns", "solver")
    ],
    *[(own, "internet", "TCP", port) for own in ("migrate", "backup") for port in (443, 587, 465, 5432)],
    *[(own, "internet", "TCP", port) for own in ("web", "worker") for port in (25, 80, 22, 5432)],
    ("web", "internet", "UDP", 443),
    *[(own, to, "UDP", 53) for own in PRODUCT for to in ("internet", "false dns", "stranger")],
    *[(own, "other postgresql", "TCP", 5432) for own in PRODUCT],
    ("neighbour", "internet", "TCP", 443),
    ("solver", "internet", "TCP", 443),
]
BLOCKED_IN_STAGING = [
    *[(other, "postgresql", "TCP", 5432) for other in ("stranger", "neighbour", "ingress", "prometheus", "internet")],
    ("web", "postgresql", "TCP", 8000),
    ("prometheus", "postgresql", "TCP", 5432),
    ("postgresql", "internet", "TCP", 5432),
    ("postgresql", "cloud metadata", "TCP", 443),
    *[(own, "managed postgresql", "TCP", 5432) for own in PRODUCT],
]
BLOCKED_IN_PRODUCTION = [
    *[(own, "postgresql", "TCP", 5432) for own in PRODUCT],
    *[(own, "managed postgresql", "TCP", port) for own in PRODUCT for port in (22, 443)],
]


@pytest.mark.parametrize(
    ("directories", "namespace", "needed", "blocked"),
    [
        ((STAGING, "examples/cloudnative-pg"), "hitl-staging", NEEDED + IN_STAGING, BLOCKED + BLOCKED_IN_STAGING),
        ((PRODUCTION,), "hitl-production", NEEDED + IN_PRODUCTION, BLOCKED + BLOCKED_IN_PRODUCTION),
    ],
)
def test_what_is_needed_passes_and_nothing_else(directories, namespace, needed, blocked):
    ends, given = pods(directories[0], namespace), policies(*directories)
    rows = [(source, target, protocol, port) for source, target, protocol, port in needed]
    missing = [row for row in rows if not lets_through(given, ends[row[0]], ends[row[1]], *row[2:])]
    open_ = [row for row in blocked if lets_through(given, ends[row[0]], ends[row[1]], *row[2:], pods_by_address=True)]
    assert (missing, open_) == ([], [])


def test_the_answer_needs_both_ends():
    """Two policies that let nothing through but one port each: where only one of them opens it, nothing passes."""
    client, server = Pod("a", {"is": "client"}), Pod("b", {"is": "server"})

    def policy(namespace: str, way: str, *ports: int) -> dict[str, Any]:
        rules = [{"ports": [{"protocol": "TCP", "port": port}]} for port in ports]
        return {
            "metadata": {"namespace": namespace},
            "spec": {"podSelector": {}, "policyTypes": [way.capitalize()], way: rules},
        }

    both = [policy("a", "egress", 1, 2), policy("b", "ingress", 2, 3)]
    assert [port for port in (1, 2, 3, 4) if lets_through(both, client, server, "TCP", port)] == [2]
    assert lets_through(both, server, client, "TCP", 9)
    assert not lets_through([policy("a", "egress")], client, "203.0.113.9", "TCP", 443)


@pytest.mark.parametrize("directory", [STAGING, PRODUCTION])
def test_every_policy_stands_in_the_documentation(directory):
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    assert [name for policy in policies(directory) if f"`{(name := policy['metadata']['name'])}`" not in page] == []
