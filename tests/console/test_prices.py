"""Prices in the console: what is in force and why, and each change with what it comes to."""

from relay.operators.tables import Role
from tests.console.visiting import visiting
from tests.relay_app import fixture_relay

PAGES = (
    *("", "/history", "/multipliers", "/calculator", "/missing", "/official", "/file", "/simulate"),
    *("/set", "/end?endpoint=text2video", "/multipliers/set", "/multipliers/end"),
    *("/list.csv", "/file/prices.toml", "/multipliers/list.csv"),
)


async def test_all_pages_are_there(database_url: str) -> None:
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        for path in PAGES:
            answer = await ann.get("/prices" + path.partition("?")[0], **dict(p.split("=") for p in path.partition("?")[2].split("&") if p))
            assert answer.status_code == 200, (path, answer.text[:3000])
        page = await ann.read("/tenants/1/prices")
        row = {"endpoint": "text2video", "model": "kling-v3", "mode": "std", "sound": "off"}
        page = await ann.post("/prices/set", **row, way="amount_per_second", number="0.05", tenant="acme")
        open("/tmp/prices.html","w").write(page.text)
