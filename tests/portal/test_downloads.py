"""A result's file handed out by pages, on sockets: whole, in part, and to nobody else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from relay.console.gate import SITE
from relay.logins.portal import open_portal_session
from relay.results.passing import EACH_MAX
from relay.tenants.tokens import IssuedToken
from tests.assets.kling_files import OK, VIDEO, Host, open_host
from tests.console.browsing import serving
from tests.console.visiting import visiting as visiting_console
from tests.portal.visiting import COOKIE, Visit
from tests.portal.work import settled
from tests.relay_app import Relay, fixture_relay
from tests.waiting import PATIENCE_S, wait_until

FILES = ("/v.mp4?sig=a%2Fb", "/gone.mp4", "/moved.mp4", "/short.mp4", "/endless", "/x.png")
ELSEWHERE = "https://elsewhere.example/x.png"


class Shop:
    """A tenant with one task, whose files lie at a host that stands for a sandbox."""

    def __init__(self, relay: Relay, host: Host, task: str) -> None:
        self.relay, self.host, self.task = relay, host, task
        self.origin = ""

    @asynccontextmanager
    async def visit(self, token: IssuedToken) -> AsyncIterator[Visit]:
        async with self.relay.sessions.begin() as session:
            secret = await open_portal_session(session, token.id, address="127.0.0.1", agent="t")
        async with httpx.AsyncClient(
            base_url=self.origin, timeout=PATIENCE_S, cookies={COOKIE: secret}, trust_env=False
        ) as client:
            yield Visit(client, "", token.id)

    def file(self, number: int) -> str:
        return f"/tasks/{self.task}/files/{number}"


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Any]:
    async with open_host() as host, fixture_relay(database_url, portal=True) as relay:
        host.answers = {
            "/gone.mp4": b"HTTP/1.1 403 Forbidden\r\n\r\n<Error>AccessDenied</Error>",
            "/moved.mp4": b"HTTP/1.1 302 Found\r\nLocation: %b/secret\r\n\r\n" % host.url.encode(),
            "/short.mp4": OK + b"Content-Length: 99\r\n\r\nabc",
        }
        await relay.add_channel()
        channel = await relay.add_channel("host", base_url=host.url, priority=-1)
        token = await relay.add_tenant()
        shop = Shop(relay, host, await settled(relay, token))
        urls = [f"{host.url}{path}" for path in FILES] + [ELSEWHERE]
        await relay.rows(
            "UPDATE tasks SET result_urls = $2::text[], channel_id = $3 WHERE kling_id = $1",
            *(shop.task, urls, channel),
        )
        async with serving(relay.app) as shop.origin, shop.visit(token) as ann:
            yield shop, ann


async def test_a_file_is_saved_under_its_tasks_name(shop: tuple[Shop, Visit]) -> None:
    """Whole and in part, by a plain link; what cannot be had is said, and nothing else dialled."""
    town, ann = shop
    page = await ann.read(f"/tasks/{town.task}")
    whole = await ann.get(town.file(1))
    part = await ann.client.get(f"/portal{town.file(1)}", headers={"range": "bytes=4-7"})
    gone, moved, unknown = [await ann.get(town.file(number)) for number in (2, 3, 7)]
    none = [(await ann.get(town.file(number))).status_code for number in (0, 8)]
    with pytest.raises(httpx.RemoteProtocolError):
        await ann.get(town.file(4))

    assert f'href="/portal{town.file(1)}" hx-boost="false"' in page
    assert f'data-src="/portal{town.file(1)}"' in page, "a browser may not reach the sandbox"
    assert town.file(7) not in page
    assert (whole.status_code, whole.content) == (200, VIDEO)
    assert whole.headers["content-disposition"] == f'attachment; filename="{town.task}-1.mp4"'
    assert whole.headers["content-length"] == str(len(VIDEO))
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in whole.headers["content-security-policy"]
    assert part.content == VIDEO  # this host knows of no ranges, and says so
    assert (gone.status_code, "keeps what it made for 30 days" in gone.text) == (410, True)
    assert (moved.status_code, "does not give it now" in moved.text) == (502, True)
    assert (unknown.status_code, none) == (404, [404, 404])
    assert town.host.asked[0] == FILES[0], "as Kling signed it"
    assert "/secret" not in town.host.asked


async def test_a_file_is_its_tenants_and_of_hosts_that_are_known(shop: tuple[Shop, Visit]) -> None:
    """Another tenant is told as of no task; a channel of Kling's own leads to no other host."""
    town, ann = shop
    async with town.visit(await town.relay.add_tenant("other")) as eve:
        theirs = await eve.get(town.file(1))
        nobodys = await eve.get("/tasks/955315294928100300/files/1")
    await town.relay.rows("UPDATE channels SET is_sandbox = false WHERE name = 'host'")
    town.relay.read_anew()
    await town.relay.channels_changed()
    private = await ann.get(town.file(1))
    page = await ann.read(f"/tasks/{town.task}")

    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert "You have no such task." in theirs.text
    assert (private.status_code, town.file(1) in page) == (404, False)
    assert town.host.asked == []


async def test_few_files_are_passed_on_at_once(shop: tuple[Shop, Visit]) -> None:
    """A tenant's places are its own, and free again when it hangs up; operators have theirs."""
    town, ann = shop
    row = await town.relay.task(town.task)
    async with AsyncExitStack() as streams:
        for _ in range(EACH_MAX):
            stream = ann.client.stream("GET", f"/portal{town.file(5)}")
            answer = await streams.enter_async_context(stream)
            assert answer.headers["content-disposition"].endswith('-5.bin"')
        busy = await ann.get(town.file(1))
        async with visiting_console(town.relay) as bob:
            whole = await bob.get(f"/tasks/{row['id']}/files/1")
            unknown = await bob.get(f"/tasks/{row['id']}/files/7")
            page = await bob.read(f"/tasks/{row['id']}")

    async def is_free() -> bool:
        return (await ann.get(town.file(1))).status_code == 200

    await wait_until(is_free)
    assert (busy.status_code, "Try again" in busy.text) == (429, True)
    assert (whole.status_code, whole.content, unknown.status_code) == (200, VIDEO, 404)
    assert whole.headers["content-disposition"] == f'attachment; filename="{row["id"]}-1.mp4"'
    assert f'href="{SITE.root}/tasks/{row["id"]}/files/1"' in page
