"""The compose file, held against what it mounts, needs and promises; no daemon runs, `docker-compose config` does."""

import ipaddress
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.hitl.test_serve import ROOT

COMPOSE = ROOT / "deploy/compose"
TEXT = (COMPOSE / "docker-compose.yml").read_text("utf-8")
FILE = yaml.safe_load(TEXT)
SERVICES = FILE["services"]
ENVIRONMENT = dict(
    line.split("=", 1)
    for line in (COMPOSE / ".env.example").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)
SMALL = {"postgres", "migrate", "web", "worker"}
HITL = {"migrate", "web", "worker", "backup"}
MADE_BY_THE_SCRIPT = {"./secrets", "./tls", "./backups"}


def filled_in(text):
    return re.sub(r"\$\{(\w+):\?\}", lambda found: ENVIRONMENT[found[1]], text)


def mebibytes(text):
    number, unit = re.fullmatch(r"(\d+)([mg])", text).groups()
    return int(number) * {"m": 1, "g": 1024}[unit]


def test_every_variable_is_in_the_example_and_the_example_has_no_other():
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    assert used <= set(ENVIRONMENT)
    by_compose_itself_and_the_script = {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"}
    assert set(ENVIRONMENT) - used == by_compose_itself_and_the_script


def test_nothing_has_a_default_of_its_own():
    assert re.findall(r"\$\{\w+(?!:\?\}|\w)[^}]*\}", TEXT) == []


def test_no_secret_stands_in_a_file():
    """What is secret is a file that the script makes, and reaches a container under /run/secrets alone."""
    for name, secret in FILE["secrets"].items():
        assert secret == {"file": f"${{{name.upper()}_FILE:?}}"}
        assert ENVIRONMENT[f"{name.upper()}_FILE"] == f"./secrets/{name}"
    for name, service in SERVICES.items():
        for setting, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY|DATABASE", setting):
                assert str(value).removeprefix("/run/secrets/") in service["secrets"], (name, setting)
    assert "secrets/" in (COMPOSE / ".gitignore").read_text("utf-8").splitlines()
    assert [
        name
        for name, value in ENVIRONMENT.items()
        if re.search(r"PASSWORD|SECRET|TOKEN|KEY", name) and value[:2] != "./"
    ] == []


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_may_do(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert mebibytes(filled_in(service["mem_limit"])) > 0
    assert service["restart"] == ("no" if name in {"migrate", "backup"} else "unless-stopped")
    assert not {"privileged", "cap_add", "pid", "network_mode"} & set(service)
    networks = service["networks"]
    assert list(networks) == ["hitl"]


def test_only_who_migrates_or_backs_up_has_the_owners_password():
    holders = {
        name
        for name, service in SERVICES.items()
        if {"database_migrate_url", "owner_password"} & set(service.get("secrets", []))
    }
    assert holders == {"migrate", "backup", "postgres"}
    assert {name for name, service in SERVICES.items() if "database_url" in service.get("secrets", [])} == HITL


def test_every_file_that_is_mounted_is_there():
    missing = []
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = filled_in(volume).split(":")[0]
            if source.startswith(".") and source not in MADE_BY_THE_SCRIPT and not (COMPOSE / source).exists():
                missing.append((name, source))
    assert missing == []


def test_every_named_volume_is_declared_and_used():
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    named = {source for source in used if re.fullmatch(r"[a-z-]+", source)}
    assert named == set(FILE["volumes"])


def test_what_is_waited_for_says_when_it_is_ready():
    for name, service in SERVICES.items():
        for other, needed in service.get("depends_on", {}).items():
            profiles = set(SERVICES[other].get("profiles", []))
            assert profiles <= set(service.get("profiles", [])), (name, other)  # else it would not be started
            if needed["condition"] == "service_healthy":
                assert other == "web" or "test" in SERVICES[other]["healthcheck"], other  # the image has web's
            else:
                assert (needed["condition"], SERVICES[other]["restart"]) == ("service_completed_successfully", "no")
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_web_worker_and_postgresql_start_alone_and_have_500_megabytes():
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == SMALL
    limits = {name: mebibytes(filled_in(service["mem_limit"])) for name, service in SERVICES.items()}
    assert sum(limits[name] for name in SMALL - {"migrate"}) <= 500  # which has ended by then


def test_the_ports_are_those_of_the_reference_systems_documents_and_of_this_machine():
    published = [filled_in(port) for service in SERVICES.values() for port in service.get("ports", [])]
    assert {port.rsplit(":", 1)[0] for port in published} == {
        f"127.0.0.1:{port}" for port in (8028, 8080, 8443, 9091, 9094, 3001)
    }
    assert not SERVICES["postgres"].get("ports")
    # Web without TLS, and those that let anybody in, are no one else's, whoever may reach nginx.
    opened = {name for name, one in SERVICES.items() if any("PUBLISH" in port for port in one.get("ports", []))}
    assert opened == {"nginx"}


def test_the_product_trusts_nginx_alone():
    """Its address is none that another container may be given."""
    trusted = ipaddress.ip_address(filled_in(SERVICES["web"]["environment"]["TRUSTED_PROXIES"]))
    assert filled_in(SERVICES["nginx"]["networks"]["hitl"]["ipv4_address"]) == str(trusted)
    [network] = FILE["networks"]["hitl"]["ipam"]["config"]
    assert trusted in ipaddress.ip_network(filled_in(network["subnet"]))
    assert trusted not in ipaddress.ip_network(filled_in(network["ip_range"]))


def test_nginx_is_told_all_that_its_template_asks_for():
    template = (ROOT / "deploy/nginx/templates/hitl.conf.template").read_text("utf-8")
    asked = set(re.findall(r"\$\{(HITL_\w+)\}", template)) - {"HITL_TLS"}  # which 15-tls.envsh makes
    script = (ROOT / "deploy/nginx/15-tls.envsh").read_text("utf-8")
    asked |= set(re.findall(r"\$\{(HITL_\w+):", script)) - {"HITL_CERTIFICATES"}
    assert asked == {name for name in SERVICES["nginx"]["environment"] if name.startswith("HITL_")}


def test_what_the_image_of_nginx_runs_at_its_start_may_be_run():
    """It passes over files that are not executable, and would start without TLS."""
    mounted = [volume.split(":")[0] for volume in SERVICES["nginx"]["volumes"] if "/docker-entrypoint.d/" in volume]
    assert mounted
    assert [path for path in mounted if not os.access(COMPOSE / path, os.X_OK)] == []
    assert os.access(COMPOSE / "postgres/roles.sh", os.X_OK)


@pytest.mark.ops("docker-compose")
def test_docker_compose_reads_the_file(tmp_path):
    command = [
        "docker-compose",
        "--file",
        COMPOSE / "docker-compose.yml",
        "--env-file",
        COMPOSE / ".env.example",
        "config",
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COMPOSE_PROFILES": "proxy,monitoring,backup"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)
    assert set(read["services"]) == set(SERVICES)
    assert read["services"]["web"]["environment"]["TRUSTED_PROXIES"] == ENVIRONMENT["SUBNET_NGINX"]


def test_backups_are_made_and_kept_as_long_as_the_settings_say():
    assert SERVICES["backup"]["command"][:5] == ["python", "manage.py", "backup", "/backups", "--keep"]
    assert filled_in(SERVICES["backup"]["command"][5]) == "14"
    assert Path(ENVIRONMENT["BACKUP_DIR"]) == Path("backups")
