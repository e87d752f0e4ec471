"""deploy/kubernetes as a cluster would read it: valid, and whole: whatever one object names, another one is."""

import re
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from django.conf import settings as product
from django.urls import resolve, reverse

from approvals.api import bulk
from deploy.kubernetes import write_prometheus_rules
from tests.ops.manifests import (
    EXAMPLES,
    KUBERNETES,
    OVERLAYS,
    ROOT,
    OnceLoader,
    named,
    of_kind,
    rendered,
    settings_of,
    templates,
    walk,
)

pytestmark = pytest.mark.slow
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
everything = pytest.mark.parametrize("directory", OVERLAYS + EXAMPLES)

KUBERNETES_VERSION = "1.37"
# Kinds of other programs, of which the validator knows no schema.
FOREIGN = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("external-secrets.io/v1", "ExternalSecret"),
    ("external-secrets.io/v1", "SecretStore"),
}
# What the schemas leave as text, and a cluster refuses.
WORDS = {
    "type": {"ClusterIP", "RollingUpdate", "RuntimeDefault", "Resource", "Utilization", "Pods", "Bearer"},
    "policyTypes": {"Ingress", "Egress"},
    "pathType": {"Exact", "Prefix"},
    "protocol": {"TCP", "UDP"},
    "restartPolicy": {"Never"},
    "imagePullPolicy": {"IfNotPresent", "Always"},
    "accessModes": {"ReadWriteOnce"},
    "whenUnsatisfiable": {"ScheduleAnyway"},
    "concurrencyPolicy": {"Forbid"},
    "unhealthyPodEvictionPolicy": {"AlwaysAllow"},
}
QUANTITY = re.compile(r"\d+m|\d+(?:Mi|Gi)?")


@everything
def test_every_object_is_valid(directory):
    unknown = set()
    for thing in rendered(directory):
        try:
            kubernetes_validate.validate(thing, KUBERNETES_VERSION, strict=True)
        except kubernetes_validate.utils.SchemaNotFoundError:
            unknown.add((thing["apiVersion"], thing["kind"]))
    assert unknown <= FOREIGN


@everything
def test_what_the_schemas_leave_open_is_right(directory):
    for thing in rendered(directory):
        if (thing["apiVersion"], thing["kind"]) in FOREIGN:
            continue
        for path, value in walk(thing):
            key = path[-1] if path else ""
            if key in {"containerPort", "port", "targetPort", "number"} and isinstance(value, int):
                assert 0 < value < 65_536, path
            if key in WORDS and isinstance(value, str | list):
                words = {value} if isinstance(value, str) else set(value)
                assert words <= WORDS[key], (path, value)
            if len(path) > 1 and path[-2] in {"requests", "limits"} or key in {"sizeLimit"}:
                assert QUANTITY.fullmatch(value), (path, value)


def test_no_key_stands_twice_in_a_file():
    """Of two annotations under one name a cluster takes the last and says nothing."""
    for file in KUBERNETES.rglob("*.yaml"):
        list(yaml.load_all(file.read_text(), OnceLoader))
    for file in KUBERNETES.rglob("*.env"):
        names = re.findall(r"^(\w+)=", file.read_text(), re.M)
        assert len(names) == len(set(names)), file


def test_the_reader_of_this_test_finds_a_key_that_stands_twice():
    with pytest.raises(yaml.constructor.ConstructorError, match="rps stands twice"):
        list(yaml.load_all("annotations: {rps: 1, rps: 2}", OnceLoader))


@everything
def test_nothing_is_secret_in_the_repository(directory):
    assert of_kind(directory, "Secret") == {}


@every_overlay
def test_everything_is_in_the_namespace_which_takes_restricted_pods_only(overlay):
    [namespace] = of_kind(overlay, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [thing for thing in rendered(overlay) if thing is not namespace]
    assert {thing["metadata"]["namespace"] for thing in others} == {namespace["metadata"]["name"]}


@every_overlay
def test_selectors_find_the_pods_they_mean(overlay):
    pods = {name: template["metadata"]["labels"] for name, template in templates(overlay).items()}

    def found(selector):
        return [name for name, labels in pods.items() if selector.items() <= labels.items()]

    for component in ("web", "worker"):
        deployment = named(overlay, "Deployment", f"hitl-{component}")["spec"]
        budget = named(overlay, "PodDisruptionBudget", f"hitl-{component}")["spec"]
        spec = deployment["template"]["spec"]
        [anti] = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        [spread] = spec["topologySpreadConstraints"]
        for selector in (deployment["selector"], budget["selector"], spread["labelSelector"]):
            assert found(selector["matchLabels"]) == [component]
        assert found(anti["podAffinityTerm"]["labelSelector"]["matchLabels"]) == [component]
    service = named(overlay, "Service", "hitl-web")
    assert found(service["spec"]["selector"]) == ["web"]
    [monitor] = of_kind(overlay, "ServiceMonitor").values()
    wanted = monitor["spec"]["selector"]["matchLabels"]
    services = of_kind(overlay, "Service").values()
    assert [it for it in services if wanted.items() <= it["metadata"]["labels"].items()] == [service]
    assert monitor["spec"]["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]


@every_overlay
def test_whatever_is_named_is_there(overlay):
    there = {(thing["kind"], thing["metadata"]["name"]) for thing in rendered(overlay)}
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    for component, template in templates(overlay).items():
        spec = template["spec"]
        [container] = spec["containers"]
        assert ("ServiceAccount", spec["serviceAccountName"]) in there
        for source in container["envFrom"]:
            assert ("ConfigMap", source["configMapRef"]["name"]) in there, component
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes), component
        for volume in volumes.values():
            if claim := volume.get("persistentVolumeClaim"):
                assert ("PersistentVolumeClaim", claim["claimName"]) in there
            if secret := volume.get("secret"):
                assert f"secret generic {secret['secretName']} " in page, "no command that makes it is documented"
    target = named(overlay, "HorizontalPodAutoscaler", "hitl-web")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in there


def test_what_the_documentation_asks_kubectl_for_is_there():
    kinds = {"deploy": "Deployment", "deployment": "Deployment", "svc": "Service", "job": "Job", "cronjob": "CronJob"}
    asked = set()
    for page in (ROOT / "docs").rglob("*.md"):
        text = page.read_text()
        asked |= {
            (page.name, *found) for found in re.findall(r"\b(deploy(?:ment)?|svc|job|cronjob)/(hitl-[a-z]+)", text)
        }
        for name, port in re.findall(r"port-forward svc/(hitl-[a-z]+) (\d+)", text):
            ports = named("overlays/production", "Service", name)["spec"]["ports"]
            assert int(port) in [it["port"] for it in ports], page.name
    missing = [it for it in asked if it[2] not in of_kind("overlays/production", kinds[it[1]])]
    assert (missing, len(asked) > 3) == ([], True)


@every_overlay
def test_people_arrive_at_the_product_under_the_name_that_it_expects(overlay):
    given = settings_of(overlay)
    host, names = urlsplit(given["BASE_URL"]).hostname, given["ALLOWED_HOSTS"].split(",")
    ingresses = of_kind(overlay, "Ingress")
    for ingress in ingresses.values():
        [rule], [tls] = ingress["spec"]["rules"], ingress["spec"]["tls"]
        assert (rule["host"], tls["hosts"]) == (host, [host])
        [path] = rule["http"]["paths"]
        service = named(overlay, "Service", path["backend"]["service"]["name"])
        assert path["backend"]["service"]["port"]["name"] in [port["name"] for port in service["spec"]["ports"]]
    # Two that asked for the same certificate would each replace the other's.
    assert sum("cert-manager.io/cluster-issuer" in it["metadata"]["annotations"] for it in ingresses.values()) == 1
    namespace = next(iter(of_kind(overlay, "Namespace")))
    assert names == [host, *(f"hitl-web{end}" for end in ("", f".{namespace}", f".{namespace}.svc"))] + [
        f"hitl-web.{namespace}.svc.cluster.local"
    ]


@every_overlay
def test_the_ingress_has_the_limits_of_the_product(overlay):
    def of(name):
        ingress = of_kind(overlay, "Ingress")[name]
        notes = ingress["metadata"]["annotations"]
        prefix = "nginx.ingress.kubernetes.io/"
        return ingress["spec"]["rules"][0]["http"]["paths"][0]["path"], {
            key.removeprefix(prefix): value for key, value in notes.items() if key.startswith(prefix)
        }

    def mebibytes(size):
        return f"{size // 1024 // 1024}m"

    path, people = of("hitl")
    assert (path, people["limit-rps"]) == ("/", "100")
    assert people["proxy-body-size"] == mebibytes(product.DATA_UPLOAD_MAX_MEMORY_SIZE)
    assert int(people["proxy-read-timeout"]) > 60  # the longest `wait=`
    path, many = of("hitl-bulk")
    assert resolve(path).url_name == "push_many"
    assert (many["proxy-body-size"], many["limit-rps"]) == (mebibytes(bulk.MAX_BYTES), "100")
    path, streams = of("hitl-events")
    assert resolve(path).url_name == "events"
    assert streams["proxy-buffering"] == "off"
    assert not any(key.startswith("limit-") for key in streams)
    path, links = of("hitl-links")
    assert f"{path}/" == reverse("link", args=["x"]).removesuffix("x")
    assert links["enable-access-log"] == "false", "the secret of a one-time link is in its address"
    assert {key: links[key] for key in links if key.startswith("limit-")} == {
        key: people[key] for key in people if key.startswith("limit-")
    }
    for _, notes in map(of, of_kind(overlay, "Ingress")):
        assert not any("snippet" in key for key in notes), "controllers refuse them unless told otherwise"


def in_one_line(thing):
    """Return something with each text in one line: kustomize doubles a line's end within folded text."""
    if isinstance(thing, dict):
        return {key: in_one_line(value) for key, value in thing.items()}
    if isinstance(thing, list):
        return [in_one_line(value) for value in thing]
    return " ".join(thing.split()) if isinstance(thing, str) else thing


@every_overlay
def test_the_rules_and_dashboards_are_those_of_the_files(overlay):
    """`python3 deploy/kubernetes/write_prometheus_rules.py` writes the first anew."""
    assert write_prometheus_rules.WRITTEN.read_text() == write_prometheus_rules.prometheus_rules()
    files = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    rules = of_kind(overlay, "PrometheusRule")
    for file in files:
        assert in_one_line(rules[f"hitl-{file.stem}"]["spec"]) == in_one_line(yaml.safe_load(file.read_text()))
    assert len(rules) == len(files) > 0
    shown = {
        key: text
        for thing in of_kind(overlay, "ConfigMap").values()
        if thing["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for key, text in thing["data"].items()
    }
    dashboards = (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")
    assert shown == {file.name: file.read_text() for file in dashboards}
    assert all(len(text) < 250_000 for text in shown.values()), "`kubectl apply` keeps a copy in an annotation"


@every_overlay
def test_prometheus_reads_with_the_token_that_needs_no_database_and_under_the_name_that_the_rules_look_for(overlay):
    [monitor] = of_kind(overlay, "ServiceMonitor").values()
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    assert endpoint["authorization"] == {
        "type": "Bearer",
        "credentials": {"name": "hitl-metrics", "key": "METRICS_TOKEN"},
    }
    assert "jobLabel" not in monitor["spec"], "the job is called after the Service: hitl-web"


def test_the_example_database_has_a_replica_and_a_role_that_owns_nothing():
    [cluster] = of_kind("examples/cloudnative-pg", "Cluster").values()
    spec = cluster["spec"]
    assert spec["instances"] >= 2
    assert spec["bootstrap"]["initdb"]["owner"] == "hitl_owner"
    [role] = spec["managed"]["roles"]
    assert (role["name"], role["inherit"], "superuser" in role) == ("hitl_app", False, False)
    pools = 8 * (5 + 1 + 2 + 1)  # DB_POOL_MAX_SIZE of web, worker and one more of each while they are replaced
    assert int(spec["postgresql"]["parameters"]["max_connections"]) > 1.5 * pools


def test_the_external_secrets_have_the_keys_that_the_pods_read():
    made = {
        name: {row["secretKey"] for row in it["spec"]["data"]}
        for name, it in of_kind("examples/external-secrets", "ExternalSecret").items()
    }
    assert made == {
        "hitl-app": {"DATABASE_URL", "SECRET_KEY"},
        "hitl-metrics": {"METRICS_TOKEN"},
        "hitl-owner": {"DATABASE_MIGRATE_URL"},
        "hitl-monitor": {"token"},
    }
