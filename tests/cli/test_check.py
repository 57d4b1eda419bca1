"""`relay check`: what is wrong is bad, and what will surprise somebody a warning; each says why."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from relay.channels.tables import Channel
from relay.cli.check.examine import judge_schema
from relay.cli.check.outside import REACHED, check_public_url
from relay.cli.revision import Found
from relay.database.facts import Facts
from relay.database.migrate import newest_revision
from relay.database.pooler import Pooler
from relay.desk.check.channels import judge_channels
from relay.desk.check.disk import judge_disk
from relay.desk.check.finding import Level
from relay.desk.check.judge import (
    judge_audit,
    judge_clock,
    judge_database,
    judge_pool,
    judge_pooler,
    judge_recent,
)
from relay.desk.check.settings import check_settings
from relay.desk.check.templates import check_templates
from relay.kling.catalogue import Catalogue
from relay.ledger.audits import LastAudit
from relay.machine import Machine
from relay.runs import templates
from relay.secrets import KeyRing, new_secret_key
from relay.settings import Settings, read_settings
from relay.tasks.recent import Recent
from tests.cli.command import NOTHING_INSTALLED, Command, execute
from tests.cli.test_installed import machine_with
from tests.relay_app import PUBLIC_URL, running_relay

FACTS = Facts(
    version="16.4 (Debian)",
    major=16,
    is_standby=False,
    is_read_only=False,
    is_synced=True,
    writes_full_pages=True,
    connections_max=100,
    connections=20,
    bytes=1,
    data_directory=None,
    is_here=False,
    ahead_s=0.0,
    answers_in_s=0.001,
)
NOTHING_LATELY = Recent(
    callback_at=None,
    callbacks=0,
    not_applied=0,
    ended_without=0,
    attempts=0,
    delivered=0,
    late_looks=0,
)
NOW = datetime(2026, 11, 27, tzinfo=UTC)
SUBJECTS = {
    *("settings", "pooler", "database", "schema", "currency", "clock", "secret key", "channels"),
    *("price list", "books", "public URL", "Kling's callbacks", "tenants' callbacks", "worker"),
    *("backups", "alerts", "disk"),
}


@pytest.fixture
def channel(relay: Command) -> Command:
    relay("tenant", "add", "acme", "--quota", "1")
    relay("token", "add", "acme")
    relay(
        *("channel", "add", "main", "--key", "A|S", "--base-url", "http://127.0.0.1:1"),
        "--no-check",
    )
    return relay


def found(relay: Command, *, code: int = 0, **changed: str) -> dict[str, Any]:
    """Run it, and key what it found by subject."""
    findings = relay.json("check", code=code, **changed)["findings"]
    return {one["subject"]: one for one in findings}


def test_a_relay_that_is_well_is_told_so(channel: Command) -> None:
    """A line for each, exit code 0; that Kling does not call back, and that there is
    no backup and no place for alerts, are warnings."""
    findings = found(channel)

    assert set(findings) == SUBJECTS
    unwell = {one["subject"] for one in findings.values() if one["level"] != "good"}
    assert unwell == {"public URL", "backups", "alerts"}
    assert channel.json("check")["level"] == "warning"
    shown = channel("check")
    assert "What to do\n  public URL: set it to where Kling reaches this relay" in shown.stdout
    assert shown.stderr == ""


def test_what_is_bad_says_what_to_do(channel: Command) -> None:
    """One after the other on one database; exit code 1, and nothing of it is changed."""
    newest = newest_revision()
    floor = "UPDATE schema_floor SET oldest_code = '{}'"
    other_key = new_secret_key()
    ended = "INSERT INTO task_events (task_id, kind) SELECT id, '{}' FROM tasks"
    task = (
        "INSERT INTO tasks (tenant_id, account_id, token_id, channel_id, endpoint, state,"
        " injected_id, request_id, quote, hold_micros, submit_deadline_at, next_look_at,"
        " hold_ended_at) SELECT 1, account_id, 1, 1, 'text2video', 'refused', 'x', 'r', '{}', 0,"
        " now(), now() - interval '6 minutes', now() FROM tenants"
    )
    audited = (
        "INSERT INTO audits (read_at, differences, drift_micros, accounts, tasks, entries, actor)"
        " VALUES (now(), 2, 700, 1, 0, 1, 'relay')"
    )
    wrong: list[tuple[str, dict[str, str], str, str, str, str]] = [
        ("", {"RELAY_CURRENCY": "CNY"}, "currency", "books of this database are in USD", "USD", ""),
        (
            "",
            {"RELAY_SECRET_KEY": other_key},
            "secret key",
            "is not the one that",
            "behind the",
            "",
        ),
        ("", {"RELAY_SECRET_KEY": "k1:x"}, "secret key", "not 32 bytes in base64", "set it to", ""),
        (
            f"UPDATE alembic_version SET version_num = '9999'; {floor.format('9998')}",
            *({}, "schema", "at revision 9999", "update the relay"),
            f"UPDATE alembic_version SET version_num = '{newest}'; {floor.format(newest)}",
        ),
        (
            "UPDATE channels SET enabled = false",
            *({}, "channels", "all 1 are disabled", "`relay channel enable NAME`"),
            "UPDATE channels SET enabled = true",
        ),
        (
            *(
                audited,
                {},
                "books",
                "2 rows differed when they were last audited",
                "`relay audit` names",
            ),
            "DELETE FROM audits",
        ),
        (
            *(task, {}, "worker", "1 tasks should have been looked at", "`relay serve`"),
            "UPDATE tasks SET next_look_at = now() - interval '1 minute'",
        ),
        (
            ended.format("look.succeed"),
            {"RELAY_PUBLIC_URL": "http://127.0.0.1:1"},
            *("Kling's callbacks", "none in the last hour, in which 1 ends were found", "POST", ""),
        ),
        (
            *("", {"RELAY_DATABASE_POOL_URL": "postgresql://u:p@127.0.0.1:1/x"}),
            *("database pool", "RELAY_DATABASE_POOL_URL", "mend or remove", ""),
        ),
        (
            *("", {"RELAY_PUBLIC_URL": "http://127.0.0.1:1"}),
            *("public URL", "http://127.0.0.1:1 cannot be reached from here", "firewall", ""),
        ),
    ]
    for before, changed, subject, said, to_do, after in wrong:
        if before:
            execute(channel, before)
        finding = found(channel, code=1, **changed)[subject]
        if after:
            execute(channel, after)

        assert finding["level"] == "bad"
        assert said in finding["said"], finding
        assert to_do in finding["to_do"], finding
    same = channel.environ["RELAY_DATABASE_URL"]
    assert found(channel, RELAY_DATABASE_POOL_URL=same)["database pool"]["level"] == "warning"
    execute(channel, ended.format("callback.succeed"))
    execute(channel, ended.format("callback.not_applied"))
    finding = found(channel, code=1, RELAY_PUBLIC_URL="http://127.0.0.1:1")["Kling's callbacks"]
    assert (finding["level"], finding["said"][:6]) == ("warning", "1 of 2")
    execute(channel, "UPDATE task_events SET created_at = now() - interval '61 minutes'")
    report = channel.json("check", code=1, RELAY_PUBLIC_URL="http://127.0.0.1:1")
    levels = {one["subject"]: one["level"] for one in report["findings"]}
    assert report["level"] == "bad"
    assert (levels["Kling's callbacks"], levels["worker"]) == ("good", "good")


@pytest.mark.parametrize(
    ("environ", "subject"),
    [
        ({"RELAY_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, "database"),
        ({"RELAY_PROT": "1"}, "settings"),
        ({"RELAY_DATA_DIR": "/nowhere/data"}, ""),
    ],
)
def test_what_cannot_be_asked_is_said(environ: dict[str, str], subject: str) -> None:
    """No traceback; an embedded database that nobody made yet is not made either."""
    relay = Command({"RELAY_SECRET_KEY": new_secret_key(), **environ})

    shown = relay("check", code=1 if subject else 0)

    assert "hunter2" not in shown.stdout + shown.stderr
    if subject:
        assert f"checks bad: {subject}" in shown.stderr
        assert ("public URL" in shown.stdout) is (subject == "database"), "what was not checked"
    else:
        assert "there is none yet in /nowhere/data" in shown.stdout
        assert not Path("/nowhere").exists()


def test_beside_an_installed_relay_none_is_proposed(tmp_path: Path) -> None:
    """As every command refuses it that would make an embedded database."""
    machine = machine_with(tmp_path, unit="kling-relay.service")
    relay = Command({"RELAY_SECRET_KEY": new_secret_key()}, machine=machine)

    finding = found(relay, code=1)["database"]

    assert finding["level"] == "bad"
    assert "a relay is installed on this machine" in finding["said"]


@pytest.mark.parametrize(
    ("environ", "subjects"),
    [
        ({"RELAY_TRUSTED_PROXIES": "*"}, ["RELAY_TRUSTED_PROXIES"]),
        ({"RELAY_OFFICE_HOST": "0.0.0.0"}, ["RELAY_OFFICE_HOST"]),
        ({"RELAY_OFFICE_HOST": "::1"}, []),
        ({"RELAY_CALLBACK_ALLOW": "169.254.169.254"}, ["RELAY_CALLBACK_ALLOW"]),
        ({"RELAY_CALLBACK_ALLOW": "10.0.0.0/8,fd00::/8"}, []),
        ({"RELAY_PUBLIC_URL": "http://relay.example.com"}, ["RELAY_PUBLIC_URL"]),
        ({"RELAY_PUBLIC_URL": "https://10.1.2.3/kling"}, ["RELAY_PUBLIC_URL"]),
        ({"RELAY_PUBLIC_URL": "http://localhost:8700"}, ["RELAY_PUBLIC_URL"] * 2),
        ({"RELAY_PUBLIC_URL": "https://relay.example.com"}, []),
        ({"RELAY_VIDEO_UNIT_PRICE": "14"}, ["RELAY_VIDEO_UNIT_PRICE"]),
        ({"RELAY_IMAGE_UNIT_PRICE": "0.00003"}, ["RELAY_IMAGE_UNIT_PRICE"]),
        ({"RELAY_VIDEO_UNIT_PRICE": "0.2", "RELAY_IMAGE_UNIT_PRICE": "0.003"}, []),
        ({"RELAY_KLING_TIMEOUT_S": "120"}, ["RELAY_KLING_TIMEOUT_S"]),
        ({"RELAY_LOST_AFTER_S": "5"}, ["RELAY_LOST_AFTER_S"]),
        ({"RELAY_LOST_LOOKS": "1"}, ["RELAY_LOST_AFTER_S"]),
        ({"RELAY_BODY_LIMIT_MB": "200"}, ["RELAY_BODY_LIMIT_MB"]),
        ({"RELAY_BODY_BUDGET_MB": "65536"}, ["RELAY_BODY_BUDGET_MB"]),
        ({}, []),
    ],
    ids=str,
)
def test_a_setting_that_looks_wrong_is_a_warning(
    environ: dict[str, str], subjects: list[str]
) -> None:
    """By its name, and with what to do; what is as usual is none."""
    findings = list(check_settings(read_settings(environ), NOTHING_INSTALLED))

    odd = [one.subject for one in findings if one.level is Level.WARNING]
    assert odd == subjects
    assert all(one.to_do for one in findings if one.level is Level.WARNING)


def test_a_workflow_that_is_left_out_is_told_with_its_file_and_place(tmp_path: Path) -> None:
    """Of the operator's own alone; where the folder cannot be read, no relay starts."""

    def found(**settings: Any) -> list[tuple[str, str, str]]:
        findings = list(check_templates(Settings(**settings), Catalogue.with_added([])))
        assert all(one.to_do for one in findings if one.level is not Level.GOOD)
        return [(one.subject, one.level, one.said) for one in findings]

    folder = str(tmp_path)
    ours = Path(templates.__file__).with_name("transition-light.toml")
    (tmp_path / "mine.toml").write_bytes(ours.read_bytes())
    usable = found(studio=True, studio_templates=folder)
    (tmp_path / "broken.toml").write_text("[summary\n")
    ((subject, level, said),) = found(studio=True, studio_templates=folder)

    assert found(studio=True) == []
    assert usable == [("templates", "good", f"1 in {folder}, and all can be run")]
    assert (subject, level) == ("templates", "warning")
    assert said.startswith(f"one is left out: {tmp_path / 'broken.toml'}: ")
    assert "line 1" in said
    assert [one[1] for one in found(studio_templates=folder)] == ["warning", "warning"]
    ((_, level, said),) = found(studio=True, studio_templates=str(tmp_path / "none"))
    assert (level, str(tmp_path / "none") in said) == ("bad", True)


def test_a_file_with_secrets_that_everybody_may_read_is_a_warning(tmp_path: Path) -> None:
    """Until its mode is 0600."""
    file = tmp_path / "relay.env"
    file.touch()
    machine = Machine(env_file=file)

    for mode, level in ((0o644, Level.WARNING), (0o600, Level.GOOD), (0o640, Level.GOOD)):
        file.chmod(mode)
        (finding,) = check_settings(Settings(), machine)
        assert finding.level is level


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({}, Level.GOOD),
        ({"major": 14}, Level.BAD),
        ({"is_standby": True}, Level.BAD),
        ({"is_read_only": True}, Level.BAD),
        ({"is_synced": False}, Level.BAD),
        ({"writes_full_pages": False}, Level.BAD),
        ({"answers_in_s": 0.05}, Level.WARNING),
        ({"connections": 95}, Level.WARNING),
    ],
)
def test_a_database_that_cannot_keep_books_is_bad(changed: dict[str, Any], level: Level) -> None:
    facts = msgspec.structs.replace(FACTS, **changed)

    findings = list(judge_database(facts, "here", connections=12))

    assert findings[-1].level is level


@pytest.mark.parametrize(
    ("judge", "values", "levels"),
    [
        (judge_clock, [0.0, -1.9, 2.5, -19.0, 21.0, -600.0], "good good warning warning bad bad"),
        (
            lambda hours: judge_audit(
                LastAudit(NOW - timedelta(hours=hours), 0, 0), every_s=3600.0, now=NOW
            ),
            [0.0, 2.9, 3.1],
            "good good warning",
        ),
        (judge_pooler, list(Pooler), "good warning bad"),
        (judge_pool, list(Pooler), "warning good good"),
        (
            lambda free: judge_disk(100 * 2**30, free * 2**20, where="/"),
            [100, 600, 4000, 6000, 90_000],
            "bad warning warning good good",
        ),
    ],
    ids=["clock", "audit", "pooler", "pool", "disk"],
)
def test_how_far_is_too_far(judge: Callable[[Any], Any], values: list[Any], levels: str) -> None:
    """In either direction."""
    assert [judge(value).level.value for value in values] == levels.split()


@pytest.mark.parametrize(
    ("changed", "levels"),
    [
        ({}, "good good good"),
        ({"attempts": 9, "delivered": 4}, "good warning good"),
        ({"attempts": 8, "delivered": 4}, "good good good"),
        ({"late_looks": 1}, "good good bad"),
        ({"ended_without": 1}, "bad good good"),
        ({"ended_without": 1, "callbacks": 1}, "good good good"),
        ({"callbacks": 2, "not_applied": 1}, "warning good good"),
    ],
    ids=str,
)
def test_how_tasks_were_told_of_lately(changed: dict[str, int], levels: str) -> None:
    """Of Kling's callbacks nothing is wrong where it was given no URL."""
    recent = msgspec.structs.replace(NOTHING_LATELY, **changed)

    found = [one.level.value for one in judge_recent(recent, are_on=True)]
    where_off = [one.level.value for one in judge_recent(recent, are_on=False)]

    assert found == levels.split()
    assert where_off == ["good", *levels.split()[1:]]


@pytest.mark.parametrize(
    ("revision", "is_embedded", "level"),
    [
        (newest_revision(), False, Level.GOOD),
        ("0001", True, Level.WARNING),
        ("0001", False, Level.BAD),
        (None, False, Level.BAD),
        (None, True, Level.WARNING),
    ],
)
def test_a_schema_of_before_is_bad_where_nobody_migrates_it(
    revision: str | None, *, is_embedded: bool, level: Level
) -> None:
    """An embedded database is migrated by the next command."""
    found = Found(revision=revision, currency=None)

    assert judge_schema(found, is_embedded=is_embedded).level is level


def test_without_channels_nothing_can_be_sent() -> None:
    on, off = Channel(name="on", enabled=True), Channel(name="off", enabled=False)

    found = [judge_channels(rows) for rows in ([], [off], [off, on])]

    told = [f"{one.level.value}: {one.said}"[:10] for one in found]
    assert told == ["bad: there", "bad: all 1", "good: enab"]


class Tls:
    """Stands for both the connection and its TLS object."""

    def __init__(self, days: float) -> None:
        self._ends_at = datetime.now(UTC) + timedelta(days=days)

    def get_extra_info(self, _: str) -> "Tls":
        return self

    def getpeercert(self) -> dict[str, str]:
        return {"notAfter": self._ends_at.strftime("%b %d %H:%M:%S %Y GMT")}


@pytest.mark.parametrize(("days", "level"), [(13, Level.WARNING), (15, Level.GOOD)])
async def test_a_certificate_that_ends_soon_is_a_warning(days: float, level: Level) -> None:
    """In less than two weeks: who renews by itself has done so by then."""
    reply = httpx.Response(200, json=REACHED, extensions={"network_stream": Tls(days)})
    transport = httpx.MockTransport(lambda _: reply)

    finding = await check_public_url(
        "https://x.test", KeyRing.parse(new_secret_key()), transport=transport
    )

    assert finding.level is level


async def test_the_public_url_leads_to_this_relay_or_to_another(database_url: str) -> None:
    """By its secret key; a proxy's own answers are none of a relay. Nothing is written."""
    async with running_relay(database_url, with_callbacks=True) as relay:
        transport = httpx.ASGITransport(app=relay.app)  # type: ignore[arg-type]  # a Litestar is an ASGI app
        other = KeyRing.parse(new_secret_key())

        ours = await check_public_url(f"{PUBLIC_URL}/kling/", relay.keys, transport=transport)
        theirs = await check_public_url(PUBLIC_URL, other, transport=transport)

        assert ours.level is Level.GOOD
        assert "leads to this relay" in ours.said
        assert theirs.level is Level.BAD
        assert "with another RELAY_SECRET_KEY" in theirs.said
        assert await relay.rows("SELECT 1 FROM task_events") == []


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (301, "", "redirects to https://www.x.test/"),
        (502, "<html>nginx</html>", "answers HTTP 502, and not as this relay"),
        (404, '{"code":1202,"message":"?"}', "answers HTTP 404"),
        (200, "<html>welcome</html>", "answers HTTP 200, and not as this relay"),
        (200, "[]", "answers HTTP 200, and not as this relay"),
    ],
)
async def test_what_is_no_relay_is_bad(status: int, body: str, said: str) -> None:
    """Whatever answers in its place."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(status, text=body, headers={"location": "https://www.x.test/"})
    )

    finding = await check_public_url(
        "https://x.test", KeyRing.parse(new_secret_key()), transport=transport
    )

    assert finding.level is Level.BAD
    assert said in finding.said
    assert finding.to_do
