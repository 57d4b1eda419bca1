"""A relay whose rules are judged when a test says so, and a webhook that keeps what it is told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.alerts.judge import judge_rules
from relay.alerts.outgoing import send_due
from relay.alerts.rule import Around, Voice
from relay.alerts.tables import Severity
from relay.desk.alerts import add_place
from tests.relay_app import ACTOR, PUBLIC_URL, Relay, fixture_relay
from tests.sandbox.receiver import Receiver

AROUND = Around(
    voice=Voice(PUBLIC_URL, str), currency="USD", audit_every_s=3600.0, backup_every_s=None
)


class Alerts:
    """What a test needs of one relay's alerts."""

    def __init__(self, relay: Relay, hook: Receiver) -> None:
        self.relay = relay
        self.hook = hook
        self.place = hook.url.replace("http://", "json://") + "?+X-Key=hook-secret-1"

    async def add_place(self, least: Severity = Severity.TICKET, url: str | None = None) -> int:
        async with self.relay.sessions.begin() as session:
            listed = await add_place(
                session, ACTOR, url or self.place, self.relay.keys, least=least
            )
        return listed.id

    async def judge(self) -> None:
        await judge_rules(self.relay.sessions, AROUND)

    async def pass_time(self, spelt: str) -> None:
        """Have all that was judged and told be older."""
        await self.relay.rows(
            f"UPDATE alert_rules SET checked_at = checked_at - interval '{spelt}',"
            f" told_at = told_at - interval '{spelt}'"
        )

    async def send(self) -> int:
        return await send_due(self.relay.sessions, self.relay.keys)

    async def arrived(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many messages at the webhook; they are forgotten there."""
        posts = list(await self.hook.wait(count))
        self.hook.posts.clear()
        assert len(posts) == count
        return [{**post.json, "headers": post.headers} for post in posts]

    async def rule(self, name: str) -> dict[str, object]:
        return dict(await self.relay.row("SELECT * FROM alert_rules WHERE name = $1", name))


@pytest.fixture
async def alerts(database_url: str) -> AsyncIterator[Alerts]:
    async with (
        Receiver() as hook,
        fixture_relay(database_url, with_callbacks=True, refresh_s=0.0) as relay,
    ):
        yield Alerts(relay, hook)
