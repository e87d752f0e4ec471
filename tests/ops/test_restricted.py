"""The walk of the restricted standard finds each way to break it, so that its silence means something."""

from copy import deepcopy
from typing import Any

import pytest

from tests.ops.restricted import faults

GOOD: dict[str, Any] = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [
        {
            "name": "one",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
}
CONTAINER = ("containers", 0, "securityContext")


def test_a_good_pod_has_no_fault():
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("hostNetwork",), True, "hostNetwork is on"),
        (("volumes", 0), {"name": "x", "hostPath": {}}, "a volume is a hostPath"),
        (("securityContext", "sysctls"), [{}], "sysctls are set"),
        (("automountServiceAccountToken",), True, "the account's token is mounted"),
        (("securityContext", "runAsNonRoot"), None, "one: may run as root"),
        (("securityContext", "runAsUser"), 0, "one: may run as root"),
        ((*CONTAINER, "runAsNonRoot"), False, "one: may run as root"),
        (("securityContext", "seccompProfile"), {"type": "Unconfined"}, "one: has no seccomp profile"),
        ((*CONTAINER, "privileged"), True, "one: privileged"),
        ((*CONTAINER, "allowPrivilegeEscalation"), None, "one: may gain privileges"),
        ((*CONTAINER, "capabilities"), {}, "one: keeps capabilities"),
        ((*CONTAINER, "capabilities"), {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "one: adds capabilities"),
        ((*CONTAINER, "procMount"), "Unmasked", "one: has a proc mount of its own"),
        (("containers", 0, "ports"), [{"hostPort": 80}], "one: asks for a port of the host"),
        ((*CONTAINER, "readOnlyRootFilesystem"), None, "one: writes to its image"),
        (
            ("initContainers",),
            [{"name": "two", "securityContext": {**GOOD["containers"][0]["securityContext"], "privileged": True}}],
            "two: privileged",
        ),
    ],
)
def test_each_fault_is_found(path, value, fault):
    pod = deepcopy(GOOD)
    place = pod
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert faults(pod) == [fault]
