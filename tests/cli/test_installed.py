"""Where a relay is installed, every command works on its database, or says why it does not."""

import os
from pathlib import Path

import pytest

from relay.machine import Machine
from relay.settings import Settings, SettingsError, read_settings
from tests.cli.command import Command

URL = "postgresql://relay:p@127.0.0.1/relay"


def machine_with(tmp_path: Path, env: str | None = None, *, unit: str | None = None) -> Machine:
    """A machine with this `relay.env`, this unit, and no data."""
    machine = Machine(
        env_file=tmp_path / "etc" / "relay.env",
        units=tmp_path / "units",
        data_dir=tmp_path / "data",
    )
    machine.units.mkdir()
    if env is not None:
        machine.env_file.parent.mkdir()
        machine.env_file.write_text(env)
    if unit is not None:
        (machine.units / unit).touch()
    return machine


def env_of(relay: Command, **more: str) -> str:
    return "".join(f'{name}="{text}"\n' for name, text in {**relay.environ, **more}.items())


def test_a_command_without_an_environment_uses_the_installed_database(
    relay: Command, tmp_path: Path
) -> None:
    """Also where RELAY_DATABASE_URL is set to nothing; what is given goes over the file."""
    machine = machine_with(tmp_path, env_of(relay, RELAY_CURRENCY="CNY"))
    bare = Command({}, machine=machine)

    bare("tenant", "add", "acme", "--quota", "1", RELAY_DATABASE_URL=" ")

    assert relay.json("tenant", "list", RELAY_CURRENCY="CNY")[0]["name"] == "acme"
    assert "1 CNY" in bare("tenant", "list").stdout
    assert "are in CNY" in bare.refused("tenant", "list", code=2, RELAY_CURRENCY="USD")
    assert not (tmp_path / "data").exists()


def test_a_file_that_the_installed_one_names_is_read(relay: Command, tmp_path: Path) -> None:
    """RELAY_CONFIG in `relay.env`, or in the environment and without a database in it."""
    toml = tmp_path / "relay.toml"
    toml.write_text(
        f"database_url = '{relay.environ['RELAY_DATABASE_URL']}'\n"
        f"secret_key = '{relay.environ['RELAY_SECRET_KEY']}'\n"
    )
    machine = machine_with(tmp_path, f"RELAY_CONFIG={toml}\n")
    relay("tenant", "add", "acme")

    assert len(Command({}, machine=machine).json("tenant", "list")) == 1

    machine.env_file.write_text(env_of(relay))
    toml.write_text("drain_s = 5\n")
    bare = Command({"RELAY_CONFIG": str(toml)}, machine=machine)
    assert len(bare.json("tenant", "list")) == 1


@pytest.mark.parametrize("naming", ["RELAY_DATABASE_URL", "RELAY_DATA_DIR", "RELAY_CONFIG"])
def test_an_environment_that_names_a_database_is_complete(tmp_path: Path, naming: str) -> None:
    """Nothing of the installed relay's comes to it: not its keys, its URL or its mistakes."""
    toml = tmp_path / "relay.toml"
    toml.write_text(f"database_url = '{URL}'\n")
    machine = machine_with(tmp_path, "RELAY_PUBLIC_URL=https://x.test\nRELAY_PROT=1\nnonsense\n")
    value = {"RELAY_DATABASE_URL": URL, "RELAY_DATA_DIR": "/data", "RELAY_CONFIG": str(toml)}

    settings = read_settings({naming: value[naming]}, machine=machine)

    assert settings.public_url is None


@pytest.mark.parametrize(
    ("env", "unit"),
    [
        ("", None),
        ("# RELAY_DATABASE_URL=postgresql://x\nRELAY_PORT=8700\n", None),
        (None, "kling-relay.service"),
        (None, "kling-relay@.service"),
    ],
)
@pytest.mark.parametrize("command", [("tenant", "list"), ("migrate",), ("serve", "--port", "0")])
def test_no_second_database_is_made_beside_an_installed_relay(
    tmp_path: Path, env: str | None, unit: str | None, command: tuple[str, ...]
) -> None:
    """Exit code 2; it says what shows the install and what to write where; nothing is made."""
    bare = Command({}, machine=machine_with(tmp_path, env, unit=unit))

    said = bare.refused(*command, code=2)

    shows = tmp_path / ("units" if unit else "etc")
    assert f"a relay is installed on this machine ({shows}" in said
    assert f"put RELAY_DATABASE_URL into {tmp_path / 'etc' / 'relay.env'}" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("RELAY_PROT=1\n", "RELAY_PROT is no setting; did you mean RELAY_PORT? (in "),
        ("RELAY_PORT=many\n", "RELAY_PORT must be a whole number, not 'many' (in "),
        ("RELAY_PORT=1\n\nRELAY_SECRET_KEY k1:hunter2\n", "line 3 of "),
        ("RELAY_SECRET_KEY=k1:hunter2\\\nRELAY_PORT=1\n", "line 1 of "),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_a_mistake_in_the_installed_file_is_said_with_its_place(
    tmp_path: Path, env: str, said: str
) -> None:
    """The file is named, and nothing of a secret is repeated."""
    machine = machine_with(tmp_path, "")
    machine.env_file.write_bytes(env.encode(errors="surrogateescape"))

    with pytest.raises(SettingsError) as raised:
        read_settings({}, machine=machine)

    assert said in str(raised.value)
    assert str(machine.env_file) in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_whoever_may_not_read_the_installed_file_is_told_of_sudo(tmp_path: Path) -> None:
    """Exit code 2: it is not passed over, or an empty database would be made."""
    machine = machine_with(tmp_path, f"RELAY_DATABASE_URL={URL}\n")
    machine.env_file.chmod(0)

    said = Command({}, machine=machine).refused("tenant", "list", code=2)

    assert "say `sudo relay …`" in said


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("RELAY_CURRENCY=CNY", "CNY"),
        ("  RELAY_CURRENCY = CNY  ", "CNY"),
        ("RELAY_CURRENCY='CNY'", "CNY"),
        ('RELAY_CURRENCY="CNY"', "CNY"),
        ("; RELAY_CURRENCY=x\n# RELAY_CURRENCY=y\nRELAY_CURRENCY=CNY\r", "CNY"),
        ("RELAY_CURRENCY=USD\nRELAY_CURRENCY=CNY", "CNY"),
        ("RELAY_CURRENCY=\nOTHER=1", "USD"),
    ],
)
def test_the_installed_file_is_read_as_systemd_reads_it(
    tmp_path: Path, line: str, value: str
) -> None:
    """Quotes, comments, white space; of two lines the last one; nothing is as if it was not set."""
    assert read_settings({}, machine=machine_with(tmp_path, line)).currency == value


def test_quotes_inside_of_quotes(tmp_path: Path) -> None:
    """As a password may have them; a # is no comment behind a value."""
    machine = machine_with(tmp_path, 'A=\'a"\\b\'\nB="a\\"\\\\\\$b"\nC=a # b\nD="\n')

    read = machine.read_env_file()

    assert read == {"A": 'a"\\b', "B": 'a"\\$b', "C": "a # b", "D": '"'}


def test_a_machine_without_a_relay_is_as_before(tmp_path: Path) -> None:
    """No file, no folder, no unit: the defaults, and an embedded database may be made."""
    machine = machine_with(tmp_path)

    assert read_settings({}, machine=machine) == Settings()
    assert machine.find_install() is None
