"""Point 5: what the catalogue lacks is refused and logged once; the operator adds it by a row."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.cli.failure import WrongSettings
from relay.kling.catalogue import Catalogue
from relay.kling.endpoints import ENDPOINTS
from relay.kling.transport import Reply
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.pricing.edit import set_price
from relay.secrets import new_secret_key
from relay.settings import AddedEndpoint, read_settings
from tests.cli.command import Command
from tests.proxy.scripted_kling import Asked, ScriptedKling, created, envelope
from tests.relay_app import Relay, bearer, running_relay
from tests.waiting import wait_until

FILE = """
currency = "USD"

[[endpoints]]
name = "new-thing"
path = "/v1/videos/new-thing"

[[endpoints]]
name = "quick-look"
path = "/v1/general/quick-look"
is_sync = true

[[endpoints]]
name = "free-look"
path = "/v9/free"
is_sync = true
is_free = true
"""
DONE = {
    "task_status": "succeed",
    "task_result": {"videos": [{"id": "v1", "url": "https://cdn/1.mp4", "duration": "5.0"}]},
    "final_unit_deduction": "1",
}


async def a_kling_with_more(asked: Asked) -> Reply:
    if asked.method == "POST" and asked.url.endswith("/new-thing"):
        return envelope(created(asked.injected_id))
    if asked.method == "POST":
        return envelope(b'{"seen":true}')
    return envelope(json.dumps(json.loads(created("x")) | {"task_info": {}} | DONE).encode())


async def price(relay: Relay, *names: str) -> None:
    async with relay.sessions.begin() as session:
        for name in names:
            row = PriceRow(
                endpoint=name, kind=PriceKind.FIXED, per=Per.TASK, amount_micros=2_000_000
            )
            await set_price(session, row)


async def test_a_plain_endpoint_from_the_file_works_end_to_end(
    database_url: str, tmp_path: Path
) -> None:
    """Create, query, list, charge; a paid call; a free call on a version that is not `v1`."""
    path = tmp_path / "relay.toml"
    path.write_text(FILE)
    settings = read_settings({"RELAY_CONFIG": str(path)})
    kling = ScriptedKling(a_kling_with_more)
    async with running_relay(
        database_url, transport=kling, endpoints=settings.endpoints, refresh_s=0.0
    ) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        new = "/kling/v1/videos/new-thing"
        unpriced = await relay.submit(token, {"prompt": "a"}, path=new)
        await price(relay, "new-thing", "quick-look")

        async def taken() -> httpx.Response | None:
            answer = await relay.submit(token, {"prompt": "a", "odd": 1e2}, path=new)
            return answer if answer.status_code == 200 else None

        made = await wait_until(taken)  # prices are read every two seconds
        task_id = made.json()["data"]["task_id"]
        held = await relay.account()
        done = await relay.get(token, task_id, path=new)
        listed = await relay.client.get(new, headers=bearer(token))
        quick = await relay.submit(token, {"x": 1}, path="/v1/general/quick-look")
        free = await relay.submit(token, {"x": 1}, path="/v9/free")

        assert (unpriced.status_code, unpriced.json()["code"]) == (404, 1203)
        assert held == (10_000_000, 2_000_000)
        assert done.json()["data"]["task_result"] == DONE["task_result"]
        assert [one["task_id"] for one in listed.json()["data"]] == [task_id]
        assert quick.json()["data"] == free.json()["data"] == {"seen": True}
        assert await relay.account() == (6_000_000, 0)
        assert [asked.url.partition(".sandbox")[2] for asked in kling.creates] == [
            "/v1/videos/new-thing",
            "/v1/general/quick-look",
            "/v9/free",
        ]
        assert (await relay.audit()).ok


async def test_what_nobody_has_is_logged_once_per_path(
    database_url: str, logged: io.StringIO
) -> None:
    """404/1202 each time, one line for the operator; ids of queries make no new paths."""
    async with running_relay(database_url) as relay:
        token = await relay.add_tenant()
        for _ in range(3):
            response = await relay.submit(token, {}, path="/v1/videos/brand-new")
            assert (response.status_code, response.json()["code"]) == (404, 1202)
        for number in range(3):
            await relay.get(token, str(number), path="/v1/videos/brand-new/deep")

    lines = [line for line in logged.getvalue().splitlines() if "path.unknown" in line]
    assert len([line for line in lines if "POST" in line]) == 1
    assert len([line for line in lines if "GET" in line]) == 1


def added(name: str, path: str) -> AddedEndpoint:
    return AddedEndpoint(name=name, path=path)


@pytest.mark.parametrize(
    "one",
    [
        added("text2video", "/v1/videos/other"),
        added("other", "/v1/videos/text2video"),
        added("other", "/videos/text2video"),
        added("other", "/text-to-video/kling-9"),
        added("other", "/v1/text-to-video/kling-9"),
        added("other", "/tasks"),
        added("other", "/v1/solutions"),
        added("other", "/account/costs"),
        added("other", "/relay/deliveries"),
        added("other", "/internal/callback"),
        added("other", "/health/live"),
        added("other", "/kling/v1/new"),
    ],
    ids=lambda one: f"{one.name}:{one.path}",
)
async def test_an_endpoint_that_is_there_already_is_refused(one: AddedEndpoint) -> None:
    """By name, by path in any spelling the router takes, and by what is answered before it."""
    with pytest.raises(ValueError, match="is there already"):
        Catalogue.with_added([one])


async def test_two_of_the_files_own_must_differ_too() -> None:
    """A name twice, a path twice."""
    for twice in (
        [added("a", "/v1/x"), added("a", "/v1/y")],
        [added("a", "/v1/x"), added("b", "/x")],
    ):
        with pytest.raises(ValueError, match="is there already"):
            Catalogue.with_added(twice)


async def test_a_neighbour_of_what_is_there_may_be_added() -> None:
    """Below a family, below an endpoint, another version, another root."""
    paths = ("/v1/videos/new", "/v1/videos/text2video/turbo", "/v10/videos", "/new", "/v2/tasks")

    catalogue = Catalogue.with_added([added(f"a{i}", path) for i, path in enumerate(paths)])

    assert len(catalogue.endpoints) == len(ENDPOINTS) + len(paths)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_serve_says_a_clash_in_one_sentence(
    database_url: str, tmp_path: Path, command: str
) -> None:
    """Exit code 2 before anything listens, and no traceback."""
    path = tmp_path / "relay.toml"
    path.write_text('[[endpoints]]\nname = "mine"\npath = "/v1/videos/text2video"\n')
    relay = Command(
        {
            "RELAY_DATABASE_URL": database_url,
            "RELAY_SECRET_KEY": new_secret_key(),
            "RELAY_CONFIG": str(path),
        }
    )

    said = relay.refused(command, code=WrongSettings.exit_code)

    assert "the endpoint mine (/v1/videos/text2video) is there already" in said
    assert "Traceback" not in said


def test_prices_can_be_set_for_an_added_endpoint(database_url: str, tmp_path: Path) -> None:
    """Its name is known to `relay price`; a misspelt one is not."""
    path = tmp_path / "relay.toml"
    path.write_text(FILE)
    environ: dict[str, Any] = {
        "RELAY_DATABASE_URL": database_url,
        "RELAY_SECRET_KEY": new_secret_key(),
        "RELAY_CONFIG": str(path),
    }
    relay = Command(environ)

    relay("price", "set", "new-thing", "--amount", "2")

    assert relay.json("price", "quote", "new-thing")["hold_micros"] == 2_000_000
    assert "did you mean" in relay.refused("price", "set", "new-thin", "--amount", "2")
