"""What kustomize renders from deploy/kubernetes, and the pods in it."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
KUBECTL = Path(sys.executable).parent / "kubectl"
OVERLAYS = ("overlays/staging", "overlays/production")
EXAMPLES = ("examples/cloudnative-pg", "examples/external-secrets")

Object = dict[str, Any]


class OnceLoader(yaml.CSafeLoader):
    """Refuses a key that stands twice in a mapping, of which YAML readers take the last without a word."""


def _mapping(loader: OnceLoader, node: yaml.MappingNode) -> Object:
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise yaml.constructor.ConstructorError(None, None, f"{', '.join(twice)} stands twice", node.start_mark)
    loader.flatten_mapping(node)
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


OnceLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read(text: str) -> list[Object]:
    return [found for found in yaml.load_all(text, OnceLoader) if found]


@cache
def rendered(directory: str) -> list[Object]:
    """Return the objects of an overlay or example as `kubectl apply -k` would send them."""
    done = subprocess.run(
        [KUBECTL, "kustomize", KUBERNETES / directory], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return read(done.stdout)


def of_kind(directory: str, kind: str) -> dict[str, Object]:
    return {found["metadata"]["name"]: found for found in rendered(directory) if found["kind"] == kind}


def named(directory: str, kind: str, name: str) -> Object:
    """Return an object, also one whose name has the hash of its contents behind it."""
    [found] = [thing for key, thing in of_kind(directory, kind).items() if key == name or key.startswith(f"{name}-")]
    return found


def templates(directory: str) -> dict[str, Object]:
    """Return the pod templates by the component their labels name."""
    found = {}
    for thing in rendered(directory):
        if thing["kind"] in {"Deployment", "Job"}:
            template = thing["spec"]["template"]
        elif thing["kind"] == "CronJob":
            template = thing["spec"]["jobTemplate"]["spec"]["template"]
        else:
            continue
        found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template
    return found


def container(directory: str, component: str) -> Object:
    [found] = templates(directory)[component]["spec"]["containers"]
    return dict(found)


def settings_of(directory: str) -> dict[str, str]:
    return dict(named(directory, "ConfigMap", "hitl-settings")["data"])


def walk(thing: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value below an object with the keys that lead to it."""
    yield path, thing
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from walk(value, (*path, key))
    elif isinstance(thing, list):
        for value in thing:
            yield from walk(value, (*path, "[]"))
