"""The examples in deploy/ fit the relay they are shipped with."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from relay.cli import COMMANDS, cli
from relay.secrets import KeyRing, new_secret_key
from relay.settings import CONFIG_ENV, ENV_PREFIX, Settings, read_settings
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
ENV_EXAMPLE = (ROOT / "deploy" / "relay.env.example").read_text()
NGINX = (ROOT / "deploy" / "nginx.conf.example").read_text()
UNITS = ("kling-relay.service", "kling-relay@.service", "kling-relay-worker@.service")
FILE_ONLY = {"endpoints"}
NAMES = {ENV_PREFIX + name.upper() for name in set(Settings.__struct_fields__) - FILE_ONLY}
NAMES |= {CONFIG_ENV}


def example_environment() -> dict[str, str]:
    """Read it as systemd does: lines of NAME=value; filled in as its comments say."""
    lines = [line for line in ENV_EXAMPLE.splitlines() if line and not line.startswith("#")]
    environment = dict(line.split("=", 1) for line in lines)
    environment["RELAY_SECRET_KEY"] = new_secret_key()
    return {name: value.replace("CHANGE-ME", "a1b2") for name, value in environment.items()}


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep case
    parser.read(ROOT / "deploy" / name)
    return parser


def test_the_env_example_is_read_once_filled_in() -> None:
    """With real values for CHANGE-ME, nothing in it is refused."""
    settings = read_settings(example_environment())

    assert settings.database_url == "postgresql://relay:a1b2@127.0.0.1:5432/relay"
    assert settings.public_url == "https://relay.example.com"
    assert KeyRing.parse(settings.secret_key or "").current == "k1"


def test_the_env_example_as_shipped_opens_nothing() -> None:
    """Its placeholder for the secret key is no key: nobody runs with a public one by mistake."""
    (shipped,) = re.findall(r"^RELAY_SECRET_KEY=(.*)$", ENV_EXAMPLE, flags=re.MULTILINE)

    assert "CHANGE-ME" in shipped


def test_every_name_in_the_examples_is_a_setting() -> None:
    """A setting that was renamed is renamed there too."""
    named = set(re.findall(r"\bRELAY_[A-Z_]*[A-Z]\b", ENV_EXAMPLE + NGINX))

    assert named - NAMES == set()


@pytest.mark.parametrize("name", UNITS)
def test_the_units_commands_exist(name: str) -> None:
    """Each `Exec…=` runs a command that this version has, with options that it knows."""
    run = [value for key, value in unit(name)["Service"].items() if key.startswith("Exec")]

    words = [command.split() for command in run]
    assert [Path(program).name for program, *_ in words] == ["relay"] * len(words)
    runs = "worker" if "worker" in name else "serve"
    assert [command for _, command, *_ in words] == ["migrate", runs]
    assert {command for _, command, *_ in words} <= set(COMMANDS)
    for _, command, *options in words:
        shown = CliRunner().invoke(cli, [command, "--help"], env={"COLUMNS": "200"}).stdout
        assert all(option in shown for option in options if option.startswith("-"))


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_waits_longer_than_the_relay_drains(name: str) -> None:
    """systemd kills after TimeoutStopSec; by default submits get 30 s to end."""
    assert int(unit(name)["Service"]["TimeoutStopSec"]) > Settings().drain_s


def test_the_unit_for_several_is_the_other_one_but_for_its_ports() -> None:
    """Each shares tenants' port, has an office, and never runs beside the unit that is alone.

    A worker's differs in its command, and in that it has nothing to tell.
    """
    one, several, worker = (unit(name) for name in UNITS)
    run = f"{one['Service']['ExecStart']} --reuse-port --office-port 879%i"
    alone = dict(one["Service"]) | {"ExecStart": run}

    assert dict(several["Service"]) == alone
    assert dict(several["Install"]) == dict(one["Install"])
    assert several["Unit"]["Conflicts"] == UNITS[0]
    run = one["Service"]["ExecStart"].replace("serve", "worker --office-port 878%i")
    assert dict(worker["Service"]) == alone | {"ExecStart": run, "Type": "exec"}


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_dumps_no_keys_and_bounds_its_memory(name: str) -> None:
    """A core dump holds every opened key; a leak must not take the machine's database with it."""
    service = unit(name)["Service"]

    assert service["LimitCORE"] == "0"
    assert service["MemoryMax"].endswith("G")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_knows_each_word_of_a_unit(name: str, tmp_path: Path) -> None:
    """With a program that is there in place of ours."""
    text = (ROOT / "deploy" / name).read_text()
    file = tmp_path / name.replace("@", "@1")
    file.write_text(text.replace("/opt/kling-relay/bin/relay", shutil.which("true") or ""))

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert str(file.name) not in verified.stderr, verified.stderr
    assert verified.returncode == 0, verified.stderr


def test_nginx_does_not_publish_the_office() -> None:
    """It proxies to tenants' port alone; a comment tells how to reach the office's."""
    code = "\n".join(line.partition("#")[0] for line in NGINX.splitlines())

    assert str(Settings().office_port) not in code
    assert str(Settings().office_port) in NGINX


def test_nginx_gives_the_relay_room_and_time() -> None:
    """Bodies up to our limit, replies up to our timeout: ours are the answers that tenants see."""
    (body_mb,) = re.findall(r"client_max_body_size\s+(\d+)m;", NGINX)
    (read_s,) = re.findall(r"proxy_read_timeout\s+(\d+)s;", NGINX)
    (upstream,) = re.findall(r"server (\S+);", NGINX.partition("server {\n    listen")[0])

    assert int(body_mb) >= Settings().body_limit_mb
    assert int(read_s) > Settings().submit_timeout_s
    assert upstream == f"{Settings().host}:{Settings().port}"
