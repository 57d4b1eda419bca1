"""Check, settings and backup in the console: what they show, and the one thing that is done."""

import re
from pathlib import Path
from typing import Any

from relay.desk.setting_texts import TOLD
from relay.desk.told_settings import Source, read_told
from relay.machine import Machine
from relay.operators.tables import Role
from relay.settings import read_settings
from tests.console.visiting import visiting
from tests.relay_app import Relay, fixture_relay
from tests.waiting import wait_until

SECRET = "postgresql://relay:hush@db/relay"
NOWHERE = Machine(env_file=Path("/nowhere/relay.env"))


async def test_a_check_tells_what_a_process_can(database_url: str) -> None:
    """The gravest first, with what to do; a role that may not is refused, and it is noted."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "sue", Role.SUPPORT) as sue,
    ):
        page = await ann.read("/check")
        assert "there are none" in page
        assert page.index("there are none") < page.index("answers in")
        assert "<code>relay channel add NAME --base-url URL</code>" in page
        await relay.add_channel("<img src=x>")
        assert "<img src=x>" not in (await ann.get("/check")).text
        for path in ("/check", "/settings", "/backup"):
            assert (await sue.get(path)).status_code == 403
        assert (await sue.post("/backup")).status_code == 403
        noted = await relay.rows("SELECT 1 FROM changes WHERE act = 'office.refuse'")
        assert len(noted) > 0


async def test_settings_are_shown_and_secrets_are_not(database_url: str) -> None:
    """Every one, in both languages; of a secret no more than that it is set."""
    mail_url = "mailtos://u:hush@mail.test?from=a@b.test"
    async with (
        fixture_relay(database_url, mail_url=mail_url) as relay,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        page = await vic.read("/settings")
        names = [name for told in TOLD for name in told.names]
        assert [page.count(f"<code>{name}</code>") for name in names] == [1] * len(names)
        assert ("hush" in page, "mail.test" in page) == (False, False)
        vic.client.headers["accept-language"] = "zh"
        page = await vic.read("/settings")
        assert [
            re.split("[`[]", told.zh)[0]
            for told in TOLD
            if re.split("[`[]", told.zh)[0] not in page
        ] == []


def test_where_a_setting_comes_from(tmp_path: Path) -> None:
    """The environment goes before the file; a secret of a file is named by its file."""
    config, secret = tmp_path / "relay.toml", tmp_path / "url"
    config.write_text("port = 9000\nhost = '0.0.0.0'\n")
    secret.write_text(SECRET)
    environ = {
        "RELAY_CONFIG": str(config),
        "RELAY_PORT": "9001",
        "RELAY_DATABASE_URL_FILE": str(secret),
    }
    settings = read_settings(environ)

    found = {
        one.name: one
        for row in read_told(settings, environ, machine=NOWHERE)
        for one in row.settings
    }

    assert (found["RELAY_PORT"].value, found["RELAY_PORT"].source) == ("9001", Source.ENVIRONMENT)
    assert (found["RELAY_HOST"].source, found["RELAY_HOST"].file) == (Source.FILE, str(config))
    url = found["RELAY_DATABASE_URL"]
    assert (url.value, url.is_set, url.file) == (None, True, str(secret))
    assert found["RELAY_CURRENCY"].source is Source.DEFAULT
    assert "hush" not in str(found)


def test_a_setting_of_the_machines_file_is_told_by_it(tmp_path: Path) -> None:
    """Where the environment names no database, the installed relay's file lies beneath it."""
    file = tmp_path / "relay.env"
    file.write_text(f"RELAY_DATABASE_URL={SECRET}\nRELAY_TIMEZONE=Asia/Shanghai\n")
    machine = Machine(env_file=file)
    settings = read_settings({}, machine=machine)

    rows = read_told(settings, {}, machine=machine)

    (zone,) = [one for row in rows for one in row.settings if one.name == "RELAY_TIMEZONE"]
    assert (zone.value, zone.source, zone.file) == ("Asia/Shanghai", Source.FILE, str(file))


async def backups(relay: Relay) -> list[Any]:
    return await relay.rows("SELECT * FROM backups ORDER BY id")


async def test_a_backup_is_made_and_noted(database_url: str, tmp_path: Path) -> None:
    """By who asked, beside the pages; what failed is told by its reason, and one that is made."""
    there = tmp_path / "there"
    async with fixture_relay(database_url, backup_to=str(there)) as relay, visiting(relay) as ann:
        assert "The place could not be read" in await ann.read("/backup")
        assert (await ann.post("/backup")).headers["location"].endswith("backup-begun")
        await wait_until(lambda: _some(relay, 1))
        (failed,) = await backups(relay)
        assert (failed["bytes"], failed["actor"]) == (None, "operator:ann")
        assert "The last try failed" in await ann.read("/backup")

        there.mkdir()
        assert (await ann.post("/backup")).status_code == 303
        await wait_until(lambda: _some(relay, 2))
        made = (await backups(relay))[1]
        (file,) = there.iterdir()
        assert (made["error"], made["place"]) == (None, str(file))
        page = await ann.read("/backup")
        assert (made["place"] in page, "The last try failed" in page) == (True, False)
        (change,) = await relay.rows("SELECT actor FROM changes WHERE act = 'backup.take'")
        assert change["actor"] == "operator:ann"


async def _some(relay: Relay, number: int) -> bool:
    return len(await backups(relay)) >= number


async def test_without_a_place_no_backup_is_offered(database_url: str) -> None:
    """It says which setting names one."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        page = await ann.read("/backup")
        assert ("RELAY_BACKUP_TO" in page, "Make one now" in page) == (True, False)
        answer = await ann.post("/backup")
        assert (answer.status_code, "no setting names a place" in answer.text) == (409, True)
        assert await backups(relay) == []
