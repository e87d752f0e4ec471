"""The restricted level of Kubernetes' Pod Security Standards: what of a pod's spec it refuses."""

from collections.abc import Mapping
from typing import Any

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
PROFILES = {"RuntimeDefault", "Localhost"}


def faults(spec: Mapping[str, Any]) -> list[str]:
    """Return what the restricted level, and our own rules above it, refuse in a pod's spec."""
    pod = spec.get("securityContext", {})
    found = [f"{key} is on" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += [
        f"a volume is a {kind}" for volume in spec.get("volumes", []) for kind in set(volume) - {"name"} - VOLUMES
    ]
    if pod.get("sysctls"):
        found.append("sysctls are set")
    # Ours: nothing in the pods asks the Kubernetes API.
    if spec.get("automountServiceAccountToken") is not False:
        found.append("the account's token is mounted")
    groups = ("initContainers", "containers", "ephemeralContainers")
    for container in [entry for group in groups for entry in spec.get(group, [])]:
        found += [f"{container['name']}: {fault}" for fault in _faults(container, pod)]
    return found


def _faults(container: Mapping[str, Any], pod: Mapping[str, Any]) -> list[str]:
    own = container.get("securityContext", {})
    both = {**pod, **own}
    capabilities = own.get("capabilities", {})
    refused = {
        "privileged": own.get("privileged", False),
        "may gain privileges": own.get("allowPrivilegeEscalation") is not False,
        "keeps capabilities": capabilities.get("drop") != ["ALL"],
        "adds capabilities": bool(set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}),
        "may run as root": both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0,
        "has no seccomp profile": both.get("seccompProfile", {}).get("type") not in PROFILES,
        "has a proc mount of its own": own.get("procMount", "Default") != "Default",
        "asks for a port of the host": any(port.get("hostPort") for port in container.get("ports", [])),
        # Ours: the standard lets a container write anywhere.
        "writes to its image": own.get("readOnlyRootFilesystem") is not True,
    }
    return [fault for fault, is_so in refused.items() if is_so]
