"""What a tenant was told of its business, page by page, and both of its lists as files."""

import csv
import io
import re
from zipfile import ZipFile

from relay.desk.notices import NewPlace, add_notice_place
from relay.desk.tokens import issue_token
from relay.notices.events import Event
from relay.notices.tables import PlaceKind
from relay.settings import Settings
from relay.tenants.scope import Scope
from tests.portal.visiting import Visit, visiting
from tests.proxy.keys import asked, data
from tests.relay_app import ACTOR, Relay, fixture_relay

MANY = 1002
"""More than two pages of a file. The number of one is how often it was tried."""
EVIL = "=cmd|' /C calc'!A0"


async def told(relay: Relay, tenant: str, many: int) -> None:
    """Tell a tenant so many things, at one place."""
    await relay.add_tenant(tenant)
    place = NewPlace(
        kind=PlaceKind.DINGTALK,
        to="dingtalk://SECabc@secret-token",
        events=[Event.QUOTA_LOW, Event.TASK_REFUNDED],
        low_micros=1_500_000,
    )
    async with relay.sessions.begin() as session:
        added = await add_notice_place(
            session, ACTOR, tenant, place, relay.keys, settings=Settings(currency="USD")
        )
    await relay.rows(
        "INSERT INTO notices (place_id, event, key, data, state, attempts, error, ended_at)"
        " SELECT $1, 'quota.low', 'k' || n, '{}', 'dead', n, $3, now()"
        " FROM generate_series(1, $2::int) AS n",
        *(added.id, many, EVIL),
    )


async def one_more(relay: Relay) -> None:
    await relay.rows(
        "INSERT INTO notices (place_id, event, key, data, state, attempts)"
        " SELECT 1, 'task.refunded', 'x' || count(*), '{}', 'due', 0 FROM notices"
    )


async def test_notices_are_told_page_by_page_and_as_files(database_url: str) -> None:
    """Each once, by program and on pages, though more is told meanwhile; none of a rival's."""
    async with fixture_relay(database_url, portal=True) as relay:
        await told(relay, "acme", MANY)
        await told(relay, "rival", 7)
        await _by_program(relay)
        async with visiting(relay) as ann:
            await _on_pages(relay, ann)
            await _as_files(ann)


async def _by_program(relay: Relay) -> None:
    async with relay.sessions.begin() as session:
        key = await issue_token(session, ACTOR, "acme", relay.keys, scope=Scope.MANAGE)
    seen: list[int] = []
    before = ""
    while True:
        page = await data(relay, key, "GET", f"/relay/notices?pageSize=500{before}")
        seen += [one["attempts"] for one in page["notices"]]
        assert len(page["places"]) == 1
        if page["next_before"] is None:
            break
        assert len(page["notices"]) == 500
        before = f"&before={page['next_before']}"
        await one_more(relay)
    assert seen == list(range(MANY, 0, -1))
    # A page that is full, and has nothing behind it, does not go on.
    end = await data(relay, key, "GET", f"/relay/notices?pageSize=5&before={await sixth(relay)}")
    assert ([one["attempts"] for one in end["notices"]], end["next_before"]) == (
        *([5, 4, 3, 2, 1], None),
    )
    for wrong in ("before=0", "before=x", "pageSize=501"):
        assert (await asked(relay, key, "GET", f"/relay/notices?{wrong}"))[:2] == (400, 1201), wrong


async def sixth(relay: Relay) -> int:
    row = await relay.row("SELECT id FROM notices WHERE place_id = 1 AND attempts = 6")
    return int(row["id"])


def tries_in(page: str) -> list[int]:
    found = re.findall(r'data-label="Attempts" class="number">([\d,]+)', page)
    return [int(one.replace(",", "")) for one in found]


async def _on_pages(relay: Relay, ann: Visit) -> None:
    await relay.rows("DELETE FROM notices WHERE attempts = 0")
    first = await ann.read("/callbacks/notices")
    link = re.search(r'rel="next" href="[^"?]*\?cursor=(\d+)"', first)
    assert link is not None
    await one_more(relay)
    second = await ann.read("/callbacks/notices", cursor=link[1])
    last = await ann.read("/callbacks/notices", cursor=str(await sixth(relay)))
    assert tries_in(first) == list(range(MANY, MANY - 50, -1))
    assert tries_in(second) == list(range(MANY - 50, MANY - 100, -1))
    assert (tries_in(last), 'rel="next"' in last) == ([5, 4, 3, 2, 1], False)
    assert "secret-token" not in first
    for wrong in ("x", "-1", "9" * 30):
        assert tries_in(await ann.read("/callbacks/notices", cursor=wrong)) == [], wrong


async def _as_files(ann: Visit) -> None:
    notices, places = [f"/callbacks/notices/{one}" for one in ("list", "places")]
    rows = await read_csv(ann, notices)
    assert [int(row["attempts"]) for row in rows] == [0, *range(MANY, 0, -1)]
    assert {(row["event"], row["state"], row["error"]) for row in rows[1:]} == {
        ("quota.low", "dead", f"'{EVIL}")
    }
    assert len({row["id"] for row in rows}) == MANY + 1
    (place,) = await read_csv(ann, places)
    assert {row["place"] for row in rows} == {place["to"]}
    assert "secret-token" not in str(place)
    assert (place["kind"], place["low"]) == ("dingtalk", "1.5")
    assert place["events"] == '["quota.low","task.refunded"]'
    for list_, many in ((notices, MANY + 1), (places, 1)):
        answer = await ann.get(f"{list_}/xlsx")
        assert "attachment" in answer.headers["content-disposition"]
        with ZipFile(io.BytesIO(answer.content)) as packed:
            sheet = packed.read("xl/worksheets/sheet1.xml").decode()
        assert (sheet.count("<row "), "<f>" in sheet) == (2 + many, False), list_
        assert (await ann.get(f"{list_}/exe")).status_code == 404


async def read_csv(visit: Visit, path: str) -> list[dict[str, str]]:
    answer = await visit.get(f"{path}/csv")
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
