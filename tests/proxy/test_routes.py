"""Litestar's table of routes is the list of what we serve: it equals what the Router finds."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from relay.app import Relay as App
from relay.app import create_app
from relay.errors import UnknownPath
from relay.kling.catalogue import Catalogue
from relay.proxy import paths
from relay.proxy.paths import Route, Router
from relay.proxy.routes import OFFER, Offer
from relay.secrets import KeyRing, new_secret_key
from relay.settings import AddedEndpoint, Settings
from tests.relay_app import CLIP, PUBLIC_URL, Relay, bearer

ADDED = (
    AddedEndpoint(name="quick-look", path="/v1/general/quick-look", is_sync=True),
    AddedEndpoint(name="new-thing", path="/v9/new.thing"),
    # Below these the Router has no short query of any kind.
    AddedEndpoint(name="any-video", path="/v1/videos"),
    AddedEndpoint(name="any-image", path="/images", is_sync=True),
    AddedEndpoint(name="turbo", path="/v1/videos/text2video/turbo"),
)
Line = tuple[str, str, Route]
"""Method, path with `{}` for what stands in it, and what that means."""


def app_with(added: Iterable[AddedEndpoint]) -> App:
    return create_app(
        Settings(endpoints=tuple(added)),
        database_url="postgresql://nowhere/none",
        keys=KeyRing.parse(new_secret_key()),
    )


def handlers(app: App) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.kling.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if OFFER in handler.opt:
                    yield method, route.path_format, handler


def litestars(app: App) -> list[Line]:
    return [
        (method, re.sub(r"{\w+}", "{}", path).removeprefix("/v1"), handler.opt[OFFER].route)
        for method, path, handler in handlers(app)
    ]


def routers(catalogue: Catalogue) -> list[Line]:
    """All that the Router can find: each path it knows, alone and with a segment behind it."""
    router = Router(catalogue)
    known = {*router._by_segments, *router._by_operation}  # noqa: SLF001 (the whole table)
    known |= {segments for _, segments in paths._FIXED}  # noqa: SLF001 (see above)
    known |= {(family,) for family in paths._FAMILIES}  # noqa: SLF001 (see above)
    found = []
    for segments in known:
        path = b"/" + b"/".join(segments)
        for asked, shown in ((path, path), (path + b"/?", path + b"/{}")):
            for method in HttpMethod:
                try:
                    route = router.find(method, asked)
                except UnknownPath:
                    continue
                route = msgspec.structs.replace(route, key="", model=None)
                found.append((method.value, shown.decode(), route))
    return found


def spelt(lines: list[Line]) -> list[str]:
    return sorted(f"{method} {path} {route}" for method, path, route in lines)


@pytest.mark.parametrize("added", [(), ADDED], ids=["Kling's own", "with an operator's"])
def test_both_tables_are_equal(added: tuple[AddedEndpoint, ...]) -> None:
    """Each route is found by the Router as that very thing; each thing it finds has one route."""
    assert spelt(litestars(app_with(added))) == spelt(routers(Catalogue.with_added(added)))


def test_what_one_table_lacks_is_seen() -> None:
    """The walk above can fail: an endpoint more on either side."""
    with_more = Catalogue.with_added(ADDED[1:2])

    missing = set(spelt(routers(with_more))) ^ set(spelt(litestars(app_with(()))))
    unfound = set(spelt(routers(Catalogue()))) ^ set(spelt(litestars(app_with(ADDED[1:2]))))

    assert missing == unfound
    assert {line.rpartition("new-thing")[1] for line in missing} == {"new-thing"}
    assert {line.partition(" Route")[0] for line in missing} == {
        *("POST /v9/new.thing", "GET /v9/new.thing", "GET /v9/new.thing/{}"),
    }


def test_a_route_says_of_itself_what_it_is() -> None:
    """Its method and path are those of its offer, and no two have one name."""
    found = list(handlers(app_with(ADDED)))

    offers: list[Offer] = [handler.opt[OFFER] for _, _, handler in found]
    assert [(method, path) for method, path, _ in found] == [
        (offer.method, offer.path) for offer in offers
    ]
    assert len({offer.name for offer in offers}) == len(offers)


async def test_a_route_that_is_asked_answers_as_the_surface(shared: Relay, tenant: str) -> None:
    """The handlers are real, should Litestar ever be asked: to each the surface answers."""
    token = await shared.add_tenant(tenant)
    assert isinstance(shared.app, App)
    past_the_front: Any = shared.app.kling
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=past_the_front), base_url=PUBLIC_URL
    ) as litestar:
        path = "/v1/videos/text2video"
        created = await litestar.post(path, headers=bearer(token), json=CLIP)
        task_id = created.json()["data"]["task_id"]
        asked = await litestar.get(f"{path}/{task_id}", headers=bearer(token))
        refused = await litestar.get(f"{path}/{task_id}")
        odd = await litestar.get(f"{path}/a%2Fb", headers=bearer(token))

    ours = await shared.client.get(f"{path}/{task_id}", headers=bearer(token))
    assert asked.json()["data"] == ours.json()["data"]
    assert (refused.status_code, refused.json()["code"]) == (401, 1001)
    # Why they go past it in a relay that runs: what Litestar does by itself is not what Kling does.
    assert "request_id" not in odd.json()
    assert (await shared.get(token, "a%2Fb")).json()["code"] == 1201
