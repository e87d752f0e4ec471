"""The pods of deploy/kubernetes: what they may, read and write, how they are asked, replaced and multiplied."""

import ast
import os
import re
import subprocess
import sys

import pytest

from hitl.management.commands import worker
from hitl.middleware import ProbeMiddleware
from hitl.own_settings import SECTIONS
from tests.ops.manifests import OVERLAYS, ROOT, container, named, settings_of, templates
from tests.ops.restricted import faults

pytestmark = pytest.mark.slow
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@every_overlay
def test_every_pod_is_restricted(overlay):
    found = templates(overlay)
    assert set(found) == {"web", "worker", "migrate", "backup"}
    assert {name: faults(template["spec"]) for name, template in found.items()} == dict.fromkeys(found, [])


@every_overlay
def test_every_pod_has_one_image_which_production_pins(overlay):
    images = {container(overlay, component)["image"] for component in templates(overlay)}
    [image] = images
    if overlay.endswith("production"):
        assert re.search(r":\d+\.\d+\.\d+$|@sha256:[0-9a-f]{64}$", image)
        assert container(overlay, "web")["imagePullPolicy"] == "IfNotPresent"
    else:
        assert container(overlay, "web")["imagePullPolicy"] == "Always"


@every_overlay
def test_what_the_image_writes_is_mounted_and_nothing_else(overlay):
    volumes = re.search(r"^VOLUME (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.M)
    assert volumes
    for component, template in templates(overlay).items():
        kinds = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        mounts = container(overlay, component)["volumeMounts"]
        empty = {mount["mountPath"] for mount in mounts if "emptyDir" in kinds[mount["name"]]}
        assert empty == set(ast.literal_eval(volumes[1])), component
        for mount in mounts:
            assert mount.get("readOnly") is True or mount["mountPath"] in {*empty, "/backups"}, (component, mount)


def secret_directories(overlay, component):
    spec = templates(overlay)[component]["spec"]
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    mounts = container(overlay, component)["volumeMounts"]
    return {mount["mountPath"]: secrets[mount["name"]] for mount in mounts if mount["name"] in secrets}


@every_overlay
def test_a_secret_is_mounted_under_its_name(overlay):
    """deploy.sh looks into the Secret of that name for each file that a setting names."""
    for component in templates(overlay):
        for directory, secret in secret_directories(overlay, component).items():
            assert directory == f"/run/secrets/{secret}"


@every_overlay
def test_only_migrations_and_backups_hold_the_owner_of_the_tables(overlay):
    owner = {c for c in templates(overlay) if "hitl-owner" in secret_directories(overlay, c).values()}
    assert owner == {"migrate", "backup"}
    assert not {"DATABASE_MIGRATE_URL_FILE", "METRICS_TOKEN_FILE"} & set(settings_of(overlay))
    own = {name: [entry["name"] for entry in container(overlay, name).get("env", [])] for name in templates(overlay)}
    assert own == {
        "web": ["METRICS_TOKEN_FILE"],
        "worker": [],
        "migrate": ["DATABASE_MIGRATE_URL_FILE"],
        "backup": ["DATABASE_MIGRATE_URL_FILE"],
    }


@every_overlay
def test_every_file_that_a_setting_names_is_mounted_and_documented(overlay):
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    for component in templates(overlay):
        given = settings_of(overlay) | {
            entry["name"]: entry["value"] for entry in container(overlay, component).get("env", [])
        }
        files = {name: path for name, path in given.items() if name.endswith("_FILE")}
        assert {"DATABASE_URL_FILE", "SECRET_KEY_FILE"} <= set(files)
        for name, path in files.items():
            directory, _, key = path.rpartition("/")
            assert directory in secret_directories(overlay, component), (component, path)
            assert (key, f"--from-file={key}" in page) == (name.removesuffix("_FILE"), True)


@every_overlay
def test_every_setting_is_one_and_the_product_starts_with_it(overlay, tmp_path):
    """As `manage.py check --deploy` sees it, which in production warns of nothing but the absent database."""
    given = settings_of(overlay)
    known = {setting.name for section in SECTIONS for setting in section.settings}
    assert {name.removesuffix("_FILE") for name in given} <= known
    secrets = {"DATABASE_URL": "postgresql://hitl_app:x@127.0.0.1:9/hitl?sslmode=verify-full", "SECRET_KEY": "k" * 60}
    secrets["METRICS_TOKEN"] = "m" * 40
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o440)  # the volumes' defaultMode
        given[f"{name}_FILE"] = str(tmp_path / name)
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "check", "--deploy"],
        env={"PATH": os.environ["PATH"], "HITL_DATA_DIR": str(tmp_path), **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    warned = set(re.findall(r"\((hitl\.W\d+)\)", done.stderr)) - {"hitl.W001", "hitl.W002"}
    assert warned == (set() if overlay.endswith("production") else {"hitl.W007"})


@every_overlay
def test_web_is_asked_at_addresses_of_the_product(overlay):
    web = container(overlay, "web")
    asked = {name: web[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz?without=worker",
    }
    ports = {port["name"]: port["containerPort"] for port in web["ports"]}
    assert f"PORT={ports['http']}" in (ROOT / "Dockerfile").read_text()
    for get in asked.values():
        assert get["path"].partition("?")[0] in ProbeMiddleware.probes
        assert get["port"] in ports
    # /readyz answers within 3 s whatever hangs; whoever gives up sooner learns nothing.
    assert web["readinessProbe"]["timeoutSeconds"] > 3
    assert named(overlay, "Service", "hitl-web")["spec"]["ports"][0]["targetPort"] in ports


def constant(file, name):
    """Return a number that a module of settings assigns."""
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{file} sets no {name}")


@every_overlay
def test_a_pod_has_the_time_to_end_what_it_does(overlay):
    web, spec = container(overlay, "web"), templates(overlay)["web"]["spec"]
    drain = web["lifecycle"]["preStop"]["sleep"]["seconds"] + constant("hitl/gunicorn.conf.py", "graceful_timeout")
    assert spec["terminationGracePeriodSeconds"] >= drain + 5
    assert templates(overlay)["worker"]["spec"]["terminationGracePeriodSeconds"] >= worker.STOP_SECONDS + 5


@every_overlay
def test_a_rollout_takes_no_pod_away_before_a_new_one_is_ready(overlay):
    for name in ("hitl-web", "hitl-worker"):
        spec = named(overlay, "Deployment", name)["spec"]
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


@every_overlay
def test_web_grows_from_two_to_five_and_an_apply_does_not_take_it_back(overlay):
    scaler = named(overlay, "HorizontalPodAutoscaler", "hitl-web")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    targets = {metric["resource"]["name"]: metric["resource"]["target"] for metric in scaler["metrics"]}
    assert {name: target["averageUtilization"] for name, target in targets.items()} == {"cpu": 70, "memory": 80}
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300
    assert scaler["behavior"]["scaleUp"]["stabilizationWindowSeconds"] > 0
    assert "replicas" not in named(overlay, "Deployment", "hitl-web")["spec"]
    assert named(overlay, "Deployment", "hitl-worker")["spec"]["replicas"] == 2
    assert settings_of(overlay)["WEB_WORKERS"] == "1", "two hold more than the share of memory that adds a pod"


@every_overlay
def test_a_node_can_be_drained_and_takes_one_pod_at_a_time(overlay):
    for name in ("hitl-web", "hitl-worker"):
        budget = named(overlay, "PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1
        assert "minAvailable" not in budget


@every_overlay
def test_every_container_has_its_share(overlay):
    for component in templates(overlay):
        assert container(overlay, component)["resources"] == {
            "requests": {"cpu": "250m", "memory": "256Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        }


@every_overlay
def test_pods_leave_the_first_process_to_the_image(overlay):
    """`command` would replace the image's entry point, which passes signals on and buries what ends."""
    for component in templates(overlay):
        assert "command" not in container(overlay, component), component


@every_overlay
def test_a_migration_and_a_backup_end_and_leave_their_logs(overlay):
    for component in ("migrate", "backup"):
        assert templates(overlay)[component]["spec"]["restartPolicy"] == "Never"
    job = named(overlay, "Job", "hitl-migrate")["spec"]
    assert job["activeDeadlineSeconds"] > 0
    assert container(overlay, "migrate")["args"] == ["python", "manage.py", "migrate", "--no-input"]
    night = named(overlay, "CronJob", "hitl-backup")["spec"]
    assert (night["concurrencyPolicy"], night["jobTemplate"]["spec"]["backoffLimit"]) == ("Forbid", 2)
    assert container(overlay, "backup")["args"] == ["python", "manage.py", "backup", "/backups", "--keep", "14"]
