"""What a set of NetworkPolicies lets through, by the rules of networking.k8s.io/v1; unknown fields are refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

NAME = "kubernetes.io/metadata.name"  # the label that every namespace has
Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """A pod by its namespace and labels, with an address that blocks of addresses may take it by."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = "10.244.3.7"


End = Pod | str  # a str is an address outside of the cluster


def lets_through(
    policies: Sequence[Policy], source: End, target: End, protocol: str, port: int, *, pods_by_address: bool = False
) -> bool:
    """Return whether a connection passes both what its source may send and what its target may get.

    Whether a block of addresses takes in pods is left to the network plugin: `pods_by_address` says that it does.
    """
    return _passes(policies, "egress", source, target, protocol, port, pods_by_address) and _passes(
        policies, "ingress", target, source, protocol, port, pods_by_address
    )


def _passes(
    policies: Sequence[Policy], way: str, own: End, other: End, protocol: str, port: int, by_address: bool
) -> bool:
    if isinstance(own, str):
        return True
    selecting = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == own.namespace
        and way.capitalize() in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], own.labels)
    ]
    rules = [(policy, rule) for policy in selecting for rule in policy["spec"].get(way, [])]
    return not selecting or any(
        _has_peer(rule, "to" if way == "egress" else "from", other, policy["metadata"]["namespace"], by_address)
        and _has_port(rule, protocol, port)
        for policy, rule in rules
    )


def _has_peer(rule: Mapping[str, Any], key: str, other: End, namespace: str, by_address: bool) -> bool:
    _only(rule, key, "ports")
    return not rule.get(key) or any(_is(peer, other, namespace, by_address) for peer in rule[key])


def _is(peer: Mapping[str, Any], other: End, namespace: str, by_address: bool) -> bool:
    _only(peer, "ipBlock", "podSelector", "namespaceSelector")
    if block := peer.get("ipBlock"):
        _only(block, "cidr", "except")
        if isinstance(other, Pod) and not by_address:
            return False
        address = ip_address(other.address if isinstance(other, Pod) else other)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(part) for part in block.get("except", [])
        )
    if isinstance(other, str):
        return False
    if "namespaceSelector" in peer:
        near = _selects(peer["namespaceSelector"], {NAME: other.namespace})
    else:
        near = other.namespace == namespace
    return near and _selects(peer.get("podSelector", {}), other.labels)


def _has_port(rule: Mapping[str, Any], protocol: str, port: int) -> bool:
    for wanted in rule.get("ports", []):
        _only(wanted, "protocol", "port")
        assert isinstance(wanted["port"], int), "a port by name"
    return not rule.get("ports") or (protocol, port) in [
        (wanted["protocol"], wanted["port"]) for wanted in rule["ports"]
    ]


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    _only(selector, "matchLabels", "matchExpressions")
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _only(thing: Mapping[str, Any], *known: str) -> None:
    assert set(thing) <= set(known), f"{set(thing) - set(known)}: the evaluator does not know it"
