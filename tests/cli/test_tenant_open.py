"""A tenant opened whole, by command and by HTTP: all or nothing, and a sheet with its secrets."""

import stat
from html.parser import HTMLParser
from pathlib import Path

import msgspec

from relay.desk.tokens import IssuedToken
from relay.operators.tables import Role
from tests.admin.office import asking, office
from tests.cli.command import Command
from tests.relay_app import bearer, fixture_relay

OPENING = {
    "name": "acme",
    "quota_micros": 100_000_000,
    "contact": "Ann | <ann@acme.test>",
    "groups": ["eu"],
    "limits": {"month_micros": 500_000_000, "in_flight": 4},
    "base_url": "https://relay.example.com/",
}
ACTS = ["tenant.open", "tenant.change", "limit.set", "token.issue", "tenant.issue_webhook_secret"]


class Texts(HTMLParser):
    """What a page says, and that each of its elements ends."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        _ = attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


async def test_a_program_opens_a_tenant_with_all_it_needs(database_url: str) -> None:
    """Its keys work, its limits hold, both sheets have all secrets; who may not does nothing."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_channel()
        ann = await asking(relay, client, "ann", Role.OWNER)
        ben = await asking(relay, client, "ben", Role.FINANCE)

        refused = await ben("POST", "tenants/open", OPENING)
        before = await relay.rows("SELECT name FROM tenants")
        nowhere = await ann("POST", "tenants/open", OPENING | {"base_url": None})
        answer = (await ann("POST", "tenants/open", OPENING)).json()
        again = await ann("POST", "tenants/open", OPENING)
        zh = OPENING | {"name": "<贝塔>", "lang": "zh", "form": "html"}
        other = (await ann("POST", "tenants/open", zh)).json()

        assert (refused.status_code, before) == (403, [])
        assert "token.issue" in refused.json()["detail"]
        assert (nowhere.status_code, nowhere.json()["field"]) == (400, "base_url")
        assert again.status_code == 409
        changes = (await ann("GET", "changes", subject="acme")).json()["changes"]
        told = {one["act"] for one in changes} | {"token.issue"}
        assert told == set(ACTS)
        token = msgspec.convert(answer["token"], IssuedToken)
        assert answer["tenant"]["contact"] == OPENING["contact"]
        assert answer["tenant"]["quota_micros"] == OPENING["quota_micros"]
        limits = (await ann("GET", "limits", tenant="acme")).json()["limits"]
        assert {one["limit"]: one["allowed"] for one in limits} == {
            "month": 500_000_000,
            "in_flight": 4,
        }
        balance = await relay.client.get("/relay/balance", headers=bearer(token))
        assert balance.json()["data"]["available"] == "100"
        page = Texts()
        page.feed(other["sheet"])
        assert page.open == []
        for opened, sheet in ((answer, answer["sheet"]), (other, page.said)):
            secrets = [opened["token"][name] for name in ("api_key", "access_key", "secret_key")]
            for said in (*secrets, opened["webhook_secret"], opened["tenant"]["name"]):
                assert said in sheet
            assert "https://relay.example.com/kling/v1/videos/text2video" in sheet
            assert "500 USD" in sheet
            assert "kling-v3" in sheet
        assert 'lang="zh-CN"' in other["sheet"]


def test_a_person_gets_the_sheet_as_a_file(relay: Command, tmp_path: Path) -> None:
    """Readable by nobody else, never over another file; what fails leaves none, and no tenant."""
    sheet = tmp_path / "acme.html"
    given: tuple[str, ...] = ("--quota", "7", "--contact", "ann", "--limit-day", "3")
    assert "--base-url" in relay.refused("tenant", "open", "acme", *given)
    given = (*given, "--base-url", "https://relay.example.com")
    words = ("tenant", "open", "acme", *given)
    there = tmp_path / "there.md"
    there.write_text("mine")
    assert "nothing was made" in relay.refused(*words, "--sheet", str(there))
    assert relay.json("tenant", "list") == []

    shown = relay(*words, "--sheet", str(sheet), "--lang", "zh")

    assert sheet.read_text().startswith("<!doctype html>")
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    assert "sk-" not in shown.output
    again = tmp_path / "again.md"
    assert "already" in relay.refused(*words, "--sheet", str(again))
    assert (again.exists(), there.read_text()) == (False, "mine")
    printed = relay("tenant", "open", "beta", *given)
    assert printed.stdout.startswith("# Access to Kling for beta")
    assert [one["contact"] for one in relay.json("tenant", "list")] == ["ann", "ann"]
    relay("tenant", "set", "beta", "--contact", "none")
    assert [one["contact"] for one in relay.json("tenant", "list")] == ["ann", None]
