"""The examples in deploy/ fit the relay they are shipped with."""

import configparser
import re
from pathlib import Path

from relay.cli import COMMANDS
from relay.secrets import KeyRing, new_secret_key
from relay.settings import CONFIG_ENV, ENV_PREFIX, Settings, read_settings

ROOT = Path(__file__).parents[1]
ENV_EXAMPLE = (ROOT / "deploy" / "relay.env.example").read_text()
NGINX = (ROOT / "deploy" / "nginx.conf.example").read_text()
FILE_ONLY = {"endpoints"}
NAMES = {ENV_PREFIX + name.upper() for name in set(Settings.__struct_fields__) - FILE_ONLY}
NAMES |= {CONFIG_ENV}


def example_environment() -> dict[str, str]:
    """Read it as systemd does: lines of NAME=value; filled in as its comments say."""
    lines = [line for line in ENV_EXAMPLE.splitlines() if line and not line.startswith("#")]
    environment = dict(line.split("=", 1) for line in lines)
    environment["RELAY_SECRET_KEY"] = new_secret_key()
    return {name: value.replace("CHANGE-ME", "a1b2") for name, value in environment.items()}


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep case
    parser.read(ROOT / "deploy" / "kling-relay.service")
    return parser["Service"]


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


def test_the_units_commands_exist() -> None:
    """Each `Exec…=` runs a command that this version has."""
    run = [value for name, value in unit().items() if name.startswith("Exec")]

    words = [command.split() for command in run]
    assert [Path(program).name for program, *_ in words] == ["relay"] * len(words)
    assert {command for _, command, *_ in words} == {"migrate", "serve"}
    assert {command for _, command, *_ in words} <= set(COMMANDS)


def test_the_unit_waits_longer_than_the_relay_drains() -> None:
    """systemd kills after TimeoutStopSec; by default submits get 30 s to end."""
    assert int(unit()["TimeoutStopSec"]) > Settings().drain_s


def test_nginx_gives_the_relay_room_and_time() -> None:
    """Bodies up to our limit, replies up to our timeout: ours are the answers that tenants see."""
    (body_mb,) = re.findall(r"client_max_body_size\s+(\d+)m;", NGINX)
    (read_s,) = re.findall(r"proxy_read_timeout\s+(\d+)s;", NGINX)
    (upstream,) = re.findall(r"server (\S+);", NGINX.partition("server {\n    listen")[0])

    assert int(body_mb) >= Settings().body_limit_mb
    assert int(read_s) > Settings().submit_timeout_s
    assert upstream == f"{Settings().host}:{Settings().port}"
