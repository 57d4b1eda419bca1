"""compose.yaml: read as compose reads it, and run here where that needs no Docker."""

import contextlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
import yaml

from relay.cli import COMMANDS
from relay.database.embedded import EmbeddedPostgres
from relay.database.pooler import Pooler, find_pooler
from relay.secrets import KeyRing
from relay.settings import Settings, read_settings
from relay.stopping import CLOSING_S
from tests.database.pgbouncer import answers, needs_pgbouncer
from tests.deploy.dockerfile import command, stages
from tests.e2e.processes import free_port, running
from tests.waiting import PATIENCE_S, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
PGBOUNCER_DIR = DEPLOY / "pgbouncer"
COMPOSE = (DEPLOY / "compose.yaml").read_text()
CHECK_JSONSCHEMA = Path(sys.executable).with_name("check-jsonschema")
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
PUBLIC_URL = "https://relay.example.com"


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What make-env.sh writes, as compose reads it."""
    directory = tmp_path_factory.mktemp("env")
    make_env(directory, PUBLIC_URL)
    lines = (directory / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def services(env: dict[str, str]) -> dict[str, dict[str, Any]]:
    def value(found: re.Match[str]) -> str:
        name, kind, default = found.groups()
        assert name in env or kind == "-", f"{name} is in no .env"
        return env.get(name) or default

    read = yaml.safe_load(VARIABLE.sub(value, COMPOSE))
    return dict(read["services"])


def make_env(directory: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [DEPLOY / "make-env.sh", *arguments],
        env={"PATH": os.environ["PATH"], "ENV_DIRECTORY": str(directory)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def relays(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in services.items() if one["image"] == "kling-relay"}


@pytest.mark.skipif(not CHECK_JSONSCHEMA.exists(), reason="there is no check-jsonschema here")
def test_compose_knows_each_word() -> None:
    """By the schema of its specification."""
    subprocess.run(
        [CHECK_JSONSCHEMA, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"],
        timeout=PATIENCE_S,
        check=True,
    )


def test_the_env_is_made_once_and_is_its_owner_s(tmp_path: Path) -> None:
    """A password and a key of its own each time; one that is there is never written over."""
    (tmp_path / "one").mkdir()
    make_env(tmp_path, PUBLIC_URL)
    make_env(tmp_path / "one")
    first, second = ((tmp_path / name).read_text() for name in (".env", "one/.env"))

    assert "there is a .env already" in make_env(tmp_path, code=1)
    assert (tmp_path / ".env").read_text() == first
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert "\nRELAY_PUBLIC_URL=https://relay.example.com\n" in first
    assert "\n# RELAY_PUBLIC_URL=https://relay.example.com\n" in second
    for name in ("POSTGRES_PASSWORD", "RELAY_SECRET_KEY"):
        values = [re.findall(rf"^{name}=(.+)$", text, re.MULTILINE) for text in (first, second)]
        assert len({value for (value,) in values}) == 2


def test_what_compose_gives_a_relay_are_settings(
    services: dict[str, dict[str, Any]], env: dict[str, str]
) -> None:
    """None is refused, and each command is one; both URLs lead to the one database."""
    for one in relays(services).values():
        assert one["command"][0] in COMMANDS
        settings = read_settings(env | one["environment"])
        direct, pool = urlsplit(settings.database_url), urlsplit(settings.database_pool_url)
        assert KeyRing.parse(settings.secret_key or "").current == "k1"
        assert (direct.hostname, pool.hostname) == ("postgres", "pgbouncer")
        assert direct.path == pool.path == f"/{services['postgres']['environment']['POSTGRES_DB']}"
        assert direct.password == services["postgres"]["environment"]["POSTGRES_PASSWORD"]
        assert settings.public_url == PUBLIC_URL


def test_each_relay_starts_once_the_schema_is_there(services: dict[str, dict[str, Any]]) -> None:
    """`migrate` ends first, and begins when Postgres answers by TCP."""
    found = relays(services)

    assert found.keys() == {"migrate", "relay", "worker"}
    for name in ("relay", "worker"):
        needed = {other: how["condition"] for other, how in found[name]["depends_on"].items()}
        assert needed == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "pgbouncer": "service_healthy",
        }
    assert found["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "--host=127.0.0.1" in services["postgres"]["healthcheck"]["test"]
    assert "disable" in found["migrate"]["healthcheck"]
    assert "healthcheck" not in found["relay"], "the image's own"
    asks, port = found["worker"]["healthcheck"]["test"][-1], found["worker"]["command"][-1]
    of_image = command(stages(DEPLOY / "Dockerfile")[-1], "HEALTHCHECK")[-1]
    port_of_image = "int(os.environ.get('RELAY_PORT') or 8700)"
    assert asks == of_image.replace(port_of_image, port).replace(" os,", "")


def test_docker_waits_longer_than_a_relay_drains(services: dict[str, dict[str, Any]]) -> None:
    """And that drains longer than a submit may take, with the seconds that closing takes of it."""
    for one in relays(services).values():
        drain_s = float(one["environment"]["RELAY_DRAIN_S"])
        assert drain_s - CLOSING_S > Settings().submit_timeout_s
        assert seconds(one["stop_grace_period"]) > drain_s


def test_nothing_of_it_is_open_to_the_world_or_more_than_it_needs_to_be(
    services: dict[str, dict[str, Any]],
) -> None:
    """Ports are on loopback; no container may gain a privilege, and ours write nowhere."""
    published = [port for one in services.values() for port in one.get("ports", ())]

    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    assert {int(port.rpartition(":")[2]) for port in published} == {8700, 8790, 9090}
    for one in services.values():
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["logging"]["options"]["max-size"], "Docker's own would fill the disk"
        assert one["init"] is True
    for one in relays(services).values():
        assert one["read_only"] is True
        assert one["tmpfs"] == ["/tmp"]
        assert one["ulimits"]["core"] == 0


def test_the_trusted_proxy_is_this_machine_as_a_container_sees_it() -> None:
    """What comes from nginx beside Docker has the gateway's address."""
    read = yaml.safe_load(COMPOSE)
    (network,) = read["networks"]["default"]["ipam"]["config"]
    trusted = read["services"]["relay"]["environment"]["RELAY_TRUSTED_PROXIES"]

    assert trusted == f"${{RELAY_TRUSTED_PROXIES:-{network['gateway']}}}"


@needs_pgbouncer
async def test_a_worker_works_through_pgbouncer_as_it_is_configured(
    postgres_server: EmbeddedPostgres,
    database_url: str,
    services: dict[str, dict[str, Any]],
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    """By its entry point and file, before the tests' Postgres; the password alone lets in."""
    password = services["pgbouncer"]["environment"]["POSTGRES_PASSWORD"]
    database = urlsplit(database_url).path[1:]
    with as_pgbouncer(postgres_server, password, database=database) as port:
        url = f"postgresql://relay:{password}@127.0.0.1:{port}/relay"
        await wait_until(lambda: answers(url))
        is_pooler = await find_pooler(url)
        with pytest.raises(asyncpg.PostgresError, match="auth"):
            await asyncpg.connect(url.replace(password, "another"))

        with running(
            *("worker", "--office-host", "127.0.0.1", "--office-port", "0"),
            log_path=tmp_path / "log",
            database_url=database_url,
            database_pool_url=url,
            secret_key=env["RELAY_SECRET_KEY"],
        ) as worker:
            office = (await worker.logged("worker.started"))["office"]
            async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
                ready = await http.get(f"{office}/health/ready")

    assert is_pooler is Pooler.TRANSACTION
    assert ready.json() == {"status": "ready"}


@contextlib.contextmanager
def as_pgbouncer(server: EmbeddedPostgres, password: str, *, database: str) -> Iterator[int]:
    """Run it as the user that Postgres lets in by its socket; yields its port."""
    port, directory = free_port(), Path(server.socket_dir) / "pgbouncer"
    owner = directory.parent.stat().st_uid
    directory.mkdir()
    config = (PGBOUNCER_DIR / "pgbouncer.ini").read_text().replace("/run/pgbouncer", str(directory))
    for shipped, here in (
        (
            "host=postgres port=5432 dbname=relay",
            f"host={server.socket_dir} port={server.port} user=postgres dbname={database}",
        ),
        ("listen_addr = 0.0.0.0", "listen_addr = 127.0.0.1"),
        ("listen_port = 6432", f"listen_port = {port}"),
    ):
        assert shipped in config
        config = config.replace(shipped, here)
    (directory / "pgbouncer.ini").write_text(config)
    script = (PGBOUNCER_DIR / "entrypoint.sh").read_text()
    os.chown(directory, owner, -1)
    process = subprocess.Popen(
        [
            "sh",
            "-c",
            script.replace("/run/pgbouncer", str(directory)),
            "sh",
            directory / "pgbouncer.ini",
        ],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "POSTGRES_PASSWORD": password},
        user=owner,
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
