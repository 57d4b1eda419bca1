"""How a tenant is told in the console: callbacks, notices, and its way into the portal."""

import re
from typing import Any

from relay.deliveries.send import Outcome
from relay.operators.tables import Role
from tests.console.test_operators import done, refused
from tests.console.test_tenants import EVIL, id_of
from tests.console.visiting import visiting
from tests.relay_app import CLIP, PUBLIC_URL, Relay, fixture_relay

HOOK = "https://acme.test/hook"


async def changes(relay: Relay, *acts: str) -> list[str]:
    rows = await relay.rows(
        "SELECT act FROM changes WHERE actor = 'operator:ann' AND act = ANY($1) ORDER BY id",
        list(acts),
    )
    return [row["act"] for row in rows]


async def deliver(relay: Relay, tenant_id: int, state: str, number: int = 1) -> None:
    await relay.rows(
        "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state, reason)"
        " SELECT (SELECT id FROM tasks WHERE tenant_id = $1 LIMIT 1), $1, $2, 'succeed', '{}', $3,"
        " $4 FROM generate_series(1, $5)",
        *(tenant_id, HOOK, state, EVIL, number),
    )


async def test_callbacks_of_a_tenant_are_shown_signed_and_tried(database_url: str) -> None:
    """Its own alone, by state, page by page; a secret that is shown once; and a test that fails."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_channel()
        for name in ("acme", "other"):
            assert (await relay.submit(await relay.add_tenant(name), CLIP)).status_code == 200
        acme, other = await id_of(relay, "acme"), await id_of(relay, "other")
        await deliver(relay, acme, "delivered", 51)
        await deliver(relay, other, "dead")
        here = f"/tenants/{acme}/callbacks"
        first = (await ann.get(here)).text
        assert (first.count("<tr>"), "<img src=x" in first) == (1 + 50, False)
        cursor = first.partition("?cursor=")[2].partition('"')[0]
        assert (await ann.read(here, cursor=cursor)).count("<tr>") == 1 + 1
        assert "No delivery fits" in await ann.read(here, state="dead")
        assert "given up" in await ann.read(f"/tenants/{other}/callbacks", state="dead")

        assert "its callbacks are not signed" in await ann.read(here)
        made = await ann.post(f"{here}/secret")
        secret = re.search(r"<code>(whsec_[^<]+)</code>", made.text)
        assert secret is not None
        assert made.headers["cache-control"] == "no-store"
        await refused(ann, f"{here}/secret", "has a webhook secret")
        form = await ann.read(f"{here}/secret")
        since = form.partition('name="issued_at" value="')[2].partition('"')[0]
        replaced = await ann.post(f"{here}/secret", rotate="on", issued_at=since)
        await refused(
            *(ann, f"{here}/secret", "another webhook secret meanwhile"),
            rotate="on",
            issued_at=since,
        )
        assert (replaced.status_code, secret[1] in replaced.text) == (200, False)
        page = await ann.read(here)
        assert ("signs beside it until" in page, "whsec_" in page) == (True, False)
        acts = ["tenant.issue_webhook_secret"] * 2
        assert await changes(relay, "tenant.issue_webhook_secret") == acts

        await refused(ann, f"{here}/ping", "Nothing can be sent there", url="http://127.0.0.1/x")
        await refused(ann, f"{here}/ping", "Fill this in.", url="")
        answer = await ann.post(f"{here}/ping", url="https://nowhere.invalid/x")
        assert (answer.status_code, "It did not arrive" in answer.text) == (200, True)


def test_an_outcome_is_told_by_its_status() -> None:
    """What pages say arrived is what the sender says was delivered."""
    arrived, not_arrived = [Outcome(status, None, 5) for status in (204, 500)]
    assert (arrived.is_delivered, not_arrived.is_delivered) == (True, False)


async def test_notices_of_a_tenant_are_placed_and_sent_again(database_url: str) -> None:
    """A place is added, tested and removed; a notice is made due again; another's is none of it."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        for name in ("acme", "other"):
            await relay.add_tenant(name)
        acme, other = await id_of(relay, "acme"), await id_of(relay, "other")
        here, theirs = f"/tenants/{acme}/notices", f"/tenants/{other}/notices"
        assert "It is told nowhere" in await ann.read(here)
        hook = {"kind": "webhook", "to": HOOK, "lang": "en", "low": "12.5"}
        await refused(ann, f"{here}/add", "Choose one of the list.", **hook | {"kind": "pigeon"})
        await refused(ann, f"{here}/add", "no webhook secret", **hook)
        await refused(ann, f"{here}/add", "no mail", **hook | {"kind": "mail", "to": "a@b.test"})
        await ann.post(f"/tenants/{acme}/callbacks/secret")
        wrong = hook | {"to": "http://127.0.0.1/x"}
        await refused(ann, f"{here}/add", 'id="to-error"', **wrong)
        assert await relay.rows("SELECT 1 FROM notice_places") == []
        await done(ann, f"{here}/add", **hook, events="quota.low")
        (place,) = await relay.rows("SELECT * FROM notice_places")
        assert (place["events"], place["low_micros"]) == (["quota.low"], 12_500_000)
        page = await ann.read(here)
        assert ("Quota is low" in page, HOOK in page) == (True, False), "its address is a secret"

        one = f"places/{place['id']}"
        for path in (f"{theirs}/{one}/remove", f"{theirs}/{one}/test"):
            assert (await ann.post(path)).status_code == 404
        await done(ann, f"{here}/{one}/test")
        await refused(ann, f"{here}/{one}/test", "within a minute")
        notice = await relay.row(
            "INSERT INTO notices (place_id, event, key, data, state, error)"
            " VALUES ($1, 'quota.low', '1', '{}', 'dead', $2) RETURNING id",
            *(place["id"], EVIL),
        )
        shown = await ann.get(here, state="dead")
        assert (shown.text.count("Once more"), "<img src=x" in shown.text) == (1, False)
        assert (await ann.post(f"{theirs}/{notice['id']}/replay")).status_code == 404
        await done(ann, f"{here}/{notice['id']}/replay")
        await refused(ann, f"{here}/{notice['id']}/replay", "due already")
        await done(ann, f"{here}/{one}/remove")
        assert await relay.rows("SELECT 1 FROM notice_places") == []
        acts = ("notice.add", "notice.test", "notice.replay", "notice.remove")
        assert await changes(relay, *acts) == list(acts)


async def test_a_link_into_the_portal_is_shown_once(database_url: str) -> None:
    """Where it is switched on; it leads to the public URL, and everybody can be logged out."""
    async with (
        fixture_relay(database_url, portal=True, with_callbacks=True) as relay,
        visiting(relay) as ann,
    ):
        await relay.add_tenant()
        here = f"/tenants/{await id_of(relay, 'acme')}/portal"
        assert "Make a link" in await ann.read(here)
        made = await ann.post(here)
        link = re.search(rf"<code>{PUBLIC_URL}/portal/enter\?key=([^<]+)</code>", made.text)
        assert link is not None
        assert made.headers["cache-control"] == "no-store"
        (row,) = await relay.rows("SELECT * FROM portal_links")
        assert row["expires_at"].strftime("%H:%M:%S") in made.text
        assert link[1] not in await ann.read(here)
        own = await ann.post(here, support="on")
        assert "The link is yours" in own.text
        rows = await relay.rows("SELECT support_by FROM portal_links ORDER BY id")
        assert [one["support_by"] for one in rows] == [None, "operator:ann"]
        await done(ann, f"{here}/end")
        acts = ["tenant.link", "tenant.link", "portal.end_session"]
        assert await changes(relay, *acts) == acts
        for ended in await relay.rows("SELECT used_at FROM portal_links"):
            assert ended["used_at"] is not None


async def test_without_the_portal_it_says_how_there_is_one(database_url: str) -> None:
    """And makes no link."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        here = f"/tenants/{await id_of(relay, 'acme')}/portal"
        assert "RELAY_PORTAL=true" in await ann.read(here)
        await refused(ann, here, "The portal is switched off.")
        assert await relay.rows("SELECT 1 FROM portal_links") == []


READS = ("callbacks", "notices")
ACTS: dict[str, dict[str, Any]] = {
    "callbacks/ping": {"url": "https://acme.test"},
    "callbacks/secret": {},
    "notices/add": {"kind": "webhook", "to": HOOK, "lang": "en"},
    "notices/places/1/remove": {},
    "notices/places/1/test": {},
    "notices/1/replay": {},
    "portal": {},
    "portal/end": {},
}


async def test_a_viewer_sees_and_does_nothing(database_url: str) -> None:
    """Pages without buttons; what is sent all the same is refused."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        await relay.add_tenant()
        here = f"/tenants/{await id_of(relay, 'acme')}"
        for path in READS:
            page = await vic.read(f"{here}/{path}")
            assert not any(f'="/console{here}/{act}"' in page for act in ACTS), path
        assert "portal" not in await vic.read(here)
        for path, fields in ACTS.items():
            assert (await vic.post(f"{here}/{path}", **fields)).status_code == 403, path
        for nobody in (999, 10**30):
            for path in READS:
                assert (await vic.get(f"/tenants/{nobody}/{path}")).status_code == 404
