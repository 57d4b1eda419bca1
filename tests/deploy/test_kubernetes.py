"""The example overlay: built by kubectl, judged by Kubernetes' schemas, read as a cluster would."""

import re
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from relay.cli import COMMANDS
from relay.secret_files import SETTING_OF
from relay.secrets import new_secret_key
from relay.settings import Settings, read_settings
from relay.stopping import CLOSING_S
from tests.deploy.dockerfile import stages
from tests.waiting import PATIENCE_S

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLE = DEPLOY / "kubernetes" / "overlays" / "example"
KUBECTL = Path(sys.executable).with_name("kubectl")
VERSIONS = ("1.29.0", "1.37.0")
"""Of Kubernetes: the oldest that it is for, and the newest that has schemas here."""

pytestmark = pytest.mark.skipif(not KUBECTL.exists(), reason="there is no kubectl here")

Object = dict[str, Any]


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    built = subprocess.run(
        [KUBECTL, "kustomize", EXAMPLE],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert built.stderr == "", "kustomize warns of what it will not take any more"
    return list(yaml.safe_load_all(built.stdout))


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: list[Object]) -> dict[str, Object]:
    """List the templates of all pods, by what makes them."""
    makers = of_kind(objects, "Deployment") | of_kind(objects, "Job")
    return {name: one["spec"]["template"] for name, one in makers.items()}


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def settings_of(objects: list[Object], container: Object, directory: Path) -> Settings:
    """Read what it is given, with a secret in place of each file that is mounted for it."""
    source, *keys = container["envFrom"]
    assert all(one["secretRef"]["optional"] for one in keys)
    environ = dict(of_kind(objects, "ConfigMap")[source["configMapRef"]["name"]]["data"])
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    values = {"RELAY_SECRET_KEY_FILE": new_secret_key()}
    for name in environ.keys() & SETTING_OF.keys():
        path = Path(environ[name])
        assert str(path.parent) in mounts, f"{name} names a file that nothing mounts"
        (directory / path.name).write_text(values.get(name, "postgresql://u:p@h/d"))
        environ[name] = str(directory / path.name)
    return read_settings(environ)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_each_word(objects: list[Object], version: str) -> None:
    """By its own schemas, which take no field that they do not have."""
    validate = pytest.importorskip("kubernetes_validate").validate

    for one in objects:
        validate(one, version, strict=True)
    assert len(objects) > 10


def test_each_pod_is_a_relay_s_with_settings_that_it_takes(
    objects: list[Object], tmp_path: Path
) -> None:
    """Its command exists, its settings are some, its user is the image's."""
    (user,) = [one.rest for one in stages(DEPLOY / "Dockerfile")[-1] if one.word == "USER"]
    for name, pod in pods(objects).items():
        for container in containers(pod):
            settings = settings_of(objects, container, tmp_path)
            assert settings.public_url == "https://relay.example.com"
            assert settings.secret_key
            assert settings.database_url
            assert container["args"][0] in COMMANDS
            assert container["image"] == "registry.example.com/kling-relay:0.1.0"
        context = pod["spec"]["securityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
        assert pod["spec"]["enableServiceLinks"] is False, f"{name}: RELAY_PORT would be a URL"


def test_each_pod_is_confined(objects: list[Object]) -> None:
    """As the `restricted` standard of its namespace asks, and its root is read-only."""
    (namespace,) = of_kind(objects, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(objects).values():
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_the_migration_is_first(objects: list[Object]) -> None:
    """It goes to the cluster before what serves, and that waits for it in its own version."""
    kinds = [one["kind"] for one in objects]
    makers = of_kind(objects, "Deployment")

    assert kinds[0] == "Namespace"
    assert kinds.index("ConfigMap") < kinds.index("Job") < kinds.index("Deployment")
    (migrating,) = containers(of_kind(objects, "Job")["relay-migrate"]["spec"]["template"])
    assert migrating["args"] == ["migrate"]
    for maker in makers.values():
        first, then = containers(maker["spec"]["template"])
        assert first["args"][:2] == ["migrate", "--wait"]
        assert (first["image"], first["envFrom"][0]) == (then["image"], then["envFrom"][0])


def test_a_pod_that_goes_ends_its_submits(objects: list[Object], tmp_path: Path) -> None:
    """Balancers have 10 s to know, a submit all of its time, and the kill comes after both."""
    makers = of_kind(objects, "Deployment")
    pod = makers["relay"]["spec"]["template"]["spec"]
    settings = settings_of(objects, pod["containers"][0], tmp_path)
    stop = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]

    assert stop == ["sleep", "10"]
    assert settings.drain_s - CLOSING_S > settings.submit_timeout_s
    assert pod["terminationGracePeriodSeconds"] > 10 + settings.drain_s
    for maker in makers.values():
        assert maker["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        grace = maker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > settings.drain_s


def test_each_selector_finds_its_pods(objects: list[Object], tmp_path: Path) -> None:
    """Of deployments, the service, the budget and the policies; ports are the relay's."""
    labels = [pod["metadata"]["labels"] for pod in pods(objects).values()]
    serving = pods(objects)["relay"]["metadata"]["labels"]

    def found(selector: dict[str, str]) -> list[dict[str, str]]:
        return [one for one in labels if selector.items() <= one.items()]

    for one in of_kind(objects, "Deployment").values():
        wanted = one["spec"]["selector"]["matchLabels"]
        assert found(wanted) == [one["spec"]["template"]["metadata"]["labels"]]
    assert found(of_kind(objects, "Service")["relay"]["spec"]["selector"]) == [serving]
    (budget,) = of_kind(objects, "PodDisruptionBudget").values()
    assert found(budget["spec"]["selector"]["matchLabels"]) == [serving]
    policies = of_kind(objects, "NetworkPolicy")
    assert found(policies["relay-nothing"]["spec"]["podSelector"]["matchLabels"]) == labels
    assert all(found(one["spec"]["podSelector"]["matchLabels"]) for one in policies.values())

    for name, ports in (("relay", {"tenants", "office"}), ("relay-worker", {"office"})):
        (container,) = pods(objects)[name]["spec"]["containers"]
        settings = settings_of(objects, container, tmp_path)
        named = {port["name"]: port["containerPort"] for port in container["ports"]}
        wanted = {"tenants": settings.port, "office": settings.office_port}
        assert named == {port: wanted[port] for port in ports}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in named
            assert re.fullmatch(r"/health/(live|ready)", container[probe]["httpGet"]["path"])


def test_nothing_private_can_be_reached_but_the_database(objects: list[Object]) -> None:
    """Kling and callbacks are public; a stranger's URL must lead to nothing of the cluster's."""
    (rule,) = of_kind(objects, "NetworkPolicy")["relay-public"]["spec"]["egress"]
    blocks = [to["ipBlock"] for to in rule["to"]]
    refused = [ip_network(one) for block in blocks for one in block["except"]]

    for address in (
        "10.1.2.3",
        "172.20.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "127.0.0.1",
        "fd00::1",
    ):
        network = ip_network(address)
        assert any(
            network.version == one.version and network.subnet_of(one)  # type: ignore[arg-type]
            for one in refused
        ), address
