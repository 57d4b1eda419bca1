"""A relay that looks for news when a test says so, and a tenant's webhook that keeps them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from relay.desk.notices import NewPlace, add_notice_place
from relay.desk.tenants import issue_webhook_secret
from relay.notices.read import ListedPlace
from relay.notices.tables import Lang, PlaceKind
from relay.settings import Settings
from tests.notices.mail_server import MailServer
from tests.relay_app import ACTOR, Relay, fixture_relay
from tests.sandbox.receiver import Receiver

LOOPBACK = "127.0.0.1"


class Told:
    """What a test needs of one relay's notices, of a tenant called acme."""

    def __init__(self, relay: Relay, hook: Receiver, mail: MailServer) -> None:
        self.relay = relay
        self.hook = hook
        self.mail = mail
        self.settings = Settings(callback_allow=LOOPBACK, mail_url=mail.url)
        self.secret = ""

    async def give_secret(self) -> None:
        async with self.relay.sessions.begin() as session:
            issued = await issue_webhook_secret(
                session, ACTOR, "acme", self.relay.keys, may_rotate=False
            )
        self.secret = issued.secret

    async def add(
        self, kind: PlaceKind = PlaceKind.WEBHOOK, to: str | None = None, **of: Any
    ) -> ListedPlace:
        tenant = of.pop("tenant", "acme")
        wanted = NewPlace(kind=kind, to=to or self.hook.url, lang=of.pop("lang", Lang.EN), **of)
        async with self.relay.sessions.begin() as session:
            return await add_notice_place(
                *(session, ACTOR, tenant, wanted, self.relay.keys), settings=self.settings
            )

    async def look(self, relay: Relay | None = None) -> None:
        await (relay or self.relay).parts.loops.noticer.look()

    async def send(self, relay: Relay | None = None) -> int:
        """Send what is due, however soon after the last one; return how many were tried."""
        sender, tried = (relay or self.relay).parts.loops.notices, 0
        while claimed := await sender.claim_due(16):
            for one in claimed:
                await sender.deliver(one)
            tried += len(claimed)
            await self.relay.rows("UPDATE notice_places SET busy_until = now()")
        return tried

    async def news(self) -> list[dict[str, Any]]:
        """Look and send; return what came to the webhook, verified as a tenant does."""
        await self.look()
        return await self.sent()

    async def sent(self) -> list[dict[str, Any]]:
        await self.send()
        posts = list(self.hook.posts)
        self.hook.posts.clear()
        for post in posts:
            Webhook(self.secret).verify(post.body, post.headers)
        return [post.json for post in posts]

    async def states(self) -> list[tuple[str, str, str]]:
        rows = await self.relay.rows("SELECT event, key, state FROM notices ORDER BY id")
        return [(row["event"], row["key"], row["state"]) for row in rows]


@pytest.fixture
async def told(database_url: str) -> AsyncIterator[Told]:
    async with (
        Receiver() as hook,
        MailServer() as mail,
        fixture_relay(
            database_url, callback_allow=LOOPBACK, mail_url=mail.url, refresh_s=0.0
        ) as relay,
    ):
        await relay.add_channel()
        yield Told(relay, hook, mail)
