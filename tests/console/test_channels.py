"""Channels: what the list and one channel's page say."""

from relay.operators.tables import Role
from tests.console.visiting import visiting
from tests.relay_app import CLIP, Relay, fixture_relay

ODD = """<b>"'><script>alert(1)</script>"""


async def test_channels_say_how_they_stand(database_url: str) -> None:
    """State with its reason, room, units, errors by code, history, settings: and no key at all."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        assert "There is no channel yet." in await vic.read("/channels")
        main = await relay.add_channel(priority=2)
        other = await relay.add_channel(ODD, priority=1)
        token = await relay.add_tenant()
        for prompt in ("a fox", "[error 1301]", "[error 1102]"):
            await relay.submit(token, {**CLIP, "prompt": prompt})
        await add_what_kling_told(relay, main)

        page = await vic.read("/channels")
        assert page.index(">main</a>") < page.index(f">{ODD}</a>"), "in the order they are tried"
        for word in ("out of units", "code 1102 Account balance not enough", "1 / 3", "80 video"):
            assert word in page, word
        assert "Add a channel" not in page

        page = await vic.read(f"/channels/{main}")
        for word in (
            *("Spring &pack", "8.5", "in 1 week", "not usable"),
            *("<code>1301</code>", "<code>1102</code>", "code 1102, Account balance", "weight 1"),
        ):
            assert word in page, word
        for secret in ("sandbox-secret-key", "api-key-kling-sandbox"):
            assert secret not in page
        raw = (await vic.get(f"/channels/{other}")).text
        assert "<script>alert" not in raw
        assert "&lt;script&gt;alert(1)" in raw
        assert "<code>1102</code>" in raw, "what was refused at last is the last one's"
        assert (await vic.get("/channels/999")).status_code == 404


async def add_what_kling_told(relay: Relay, channel_id: int) -> None:
    await relay.rows(
        "INSERT INTO channel_packs (channel_id, pack_id, name, kind, total, remaining, expires_at,"
        " status) VALUES ($1, 'a', 'Spring &pack', 'video', 100, 71.5, now() + interval '7 days',"
        " 'online'), ($1, 'b', 'more', 'video', 10, 8.5, NULL, 'online'),"
        " ($1, 'c', 'old', 'image', 10, 0, now() - interval '1 day', 'expired')",
        channel_id,
    )
    await relay.rows("UPDATE channels SET room = '{\"video\": 3}' WHERE id = $1", channel_id)
