"""Playing the corpus: every example through relay and sandbox, and what both sides saw of it."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from relay.deliveries.kept_url import open_url
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.endpoints import ENDPOINTS, QUERY_PATHS
from relay.tenants.tokens import IssuedToken
from tests.corpus.examples import EXAMPLES, MAKERS, PHASES, PRESET, UNPRICED, Example
from tests.corpus.world import Asked, World, data_of, set_prices
from tests.relay_app import bearer
from tests.waiting import PATIENCE_S

UNCLEAN = -1
"""Stands for the code of a refusal that left a row or a hold, or that Kling heard of."""
PAGE = {"pageNum": "1", "pageSize": "30"}


@dataclass
class Answered:
    """One reply to the tenant, and what Kling had said to the relay."""

    response: httpx.Response
    kling: Asked | None = None

    @property
    def code(self) -> int:
        found: int = self.response.json()["code"]
        return found


@dataclass
class Recorded:
    """All that was seen of one example."""

    example: Example
    external_id: str | None
    sent: bytes
    tenant_id: int
    created: Answered
    arrived: dict[str, Any]
    """The request at the sandbox."""
    began_at: datetime
    kling_id: str = ""
    queries: dict[str, Answered] = field(default_factory=dict)
    """After the end, by the kind of query; lists are cut down to the one task."""
    callbacks: list[bytes] = field(default_factory=list)
    """Kling's to the relay."""
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict)
    """Our task's; {} for calls that leave none."""
    learned: set[tuple[str, str]] = field(default_factory=set)
    """Owners of what it made: kind and id, as the tenant's reply says them."""
    units: str | None = None
    """What the sandbox deducted."""
    foreign: dict[str, tuple[int, int]] = field(default_factory=dict)
    """HTTP status and code for another tenant's id, by the example's place or the field's path."""


@dataclass
class Recording:
    """The whole corpus, once."""

    world: World
    examples: dict[str, Recorded]
    reads: dict[str, Answered]
    """GETs that all tenants share, by the endpoint's name."""
    refused_unpriced: dict[str, tuple[int, int]]
    """HTTP status and code of what ships without a price, by the example's name."""
    misses: list[str]
    """What `relay price missing` said then."""

    def of(self, endpoint: Endpoint) -> list[Recorded]:
        return [one for one in self.examples.values() if one.example.endpoint == endpoint]


async def record(world: World) -> Recording:
    """Play the corpus; takes some ten seconds."""
    reads = {
        endpoint.name: await _read(world, endpoint)
        for endpoint in ENDPOINTS
        if endpoint.kind is EndpointKind.READ
    }
    unpriced, misses = await _refuse_unpriced(world)
    await set_prices(world.relay)
    preset = _find(json.loads(reads["presets-voices"].response.content), "voice_id")
    ids, theirs = {PRESET: preset}, {PRESET: preset}
    recorded: dict[str, Recorded] = {}
    foreign: dict[str, dict[str, tuple[int, int]]] = {}
    for phase in PHASES:
        if phase == max(PHASES):  # deletes what is named until then
            foreign = await _name_foreign(world, ids, theirs)
        examples = [example for example in EXAMPLES if example.phase == phase]
        plays = [play(world, world.acme, example, ids) for example in examples]
        makers = [example for example in MAKERS if example.phase == phase]
        plays += [play(world, world.other, example, theirs, tag="theirs ") for example in makers]
        played = await asyncio.gather(*plays)
        recorded |= {one.example.name: one for one in played[: len(examples)]}
    for name, found in foreign.items():
        recorded[name].foreign = found
    return Recording(world, recorded, reads, unpriced, misses)


async def play(
    world: World, token: IssuedToken, example: Example, ids: dict[str, str], *, tag: str = ""
) -> Recorded:
    """Send one example, wait for its end, and ask for it in every way there is.

    What it makes is put into `ids`.
    """
    tag += example.name
    external_id = f"{tag} é/1" if example.endpoint.kind is EndpointKind.TASK else None
    sent = example.body(ids, tag=tag, external_id=external_id)
    began_at = (await world.relay.row("SELECT now()"))["now"]
    response = await post(world, token, example.path, sent)
    assert response.status_code == 200, f"{tag}: {response.text}"
    # Of a delete only what it names arrives.
    is_delete = example.endpoint.deletes is not None
    mark = ids[example.places[0]] if is_delete else f'"tag":"{tag}"'
    arrived = world.arrived(mark)
    assert arrived is not None, tag
    one = Recorded(
        example,
        external_id,
        sent,
        await world.tenant_id(token),
        Answered(response, world.tap.last(mark=mark)),
        arrived,
        began_at,
    )
    if example.endpoint.kind is EndpointKind.TASK:
        await _follow(world, token, one)
    await _read_books(world, token, one)
    if example.makes:
        made = next(answer.response for answer in (*one.queries.values(), one.created))
        ids[example.makes] = _made(example, json.loads(made.content))
    return one


async def post(world: World, token: IssuedToken, path: str, body: bytes) -> httpx.Response:
    return await world.relay.client.post(path, content=body, headers=bearer(token))


async def _follow(world: World, token: IssuedToken, one: Recorded) -> None:
    """Wait until the relay was told of the end, then query."""
    data = data_of(one.created.response.content)
    one.kling_id = data.get("task_id") or data["id"]
    async with asyncio.timeout(PATIENCE_S):
        await world.ear.hear(one.kling_id, b'"succeed')
    one.callbacks = world.ear.of(one.kling_id)
    assert one.external_id is not None, "a task has one here"
    external = quote(one.external_id, safe="")
    many = QUERY_PATHS.get(one.example.endpoint.generation)
    asks = {"id": f"/{one.kling_id}", "external id": f"/{external}", "list": "?pageSize=500"}
    path = one.example.path
    if many is not None:
        path = many
        asks = {"id": f"?task_ids={one.kling_id}", "external id": f"?external_task_ids={external}"}
    async with asyncio.timeout(PATIENCE_S):
        # A GET waits a second at most for what callbacks lack; on a slow machine that is too short.
        while not one.row.get("is_reply_full"):
            await world.relay.client.get(path + asks["id"], headers=bearer(token))
            one.row = dict(await world.relay.task(one.kling_id))
    for name, rest in asks.items():
        found = await world.relay.client.get(path + rest, headers=bearer(token))
        asked = world.tap.last(mark=one.kling_id, method="GET")
        one.queries[name] = Answered(found, asked)
    if many is not None:
        filters = b'{"limit":"500","filters":[{"key":"status","values":["succeeded","succeed"]}]}'
        found = await post(world, token, many, filters)
        one.queries["list"] = Answered(found, one.queries["id"].kling)


async def _read_books(world: World, token: IssuedToken, one: Recorded) -> None:
    rows = await world.relay.rows(
        "SELECT tasks.* FROM tasks JOIN tenants ON tenants.id = tenant_id"
        " WHERE endpoint = $1 AND tenants.name = $2 AND coalesce(kling_id = $3, true)"
        " ORDER BY tasks.id DESC",
        one.example.endpoint_name,
        token.tenant,
        one.kling_id or None,
    )
    said = one.queries.get("id", one.created).response.text
    owners = await world.relay.rows(
        "SELECT kind, resource_id FROM owners WHERE tenant_id = $1 AND created_at > $2",
        one.tenant_id,
        one.began_at,
    )
    one.learned = {
        (row["kind"], row["resource_id"]) for row in owners if row["resource_id"] in said
    }
    if not one.example.endpoint.makes_a_row:
        assert not rows, "a free call leaves no row"
        return
    one.row = dict(rows[0])
    told = await world.relay.rows(
        "SELECT * FROM deliveries WHERE task_id = $1 ORDER BY id", one.row["id"]
    )
    keys = world.relay.keys
    one.deliveries = [
        dict(row) | {"url": open_url(row["url"], keys, tenant_id=row["tenant_id"])} for row in told
    ]
    ledger = world.sandbox.ledger
    ends = [entry for entry in ledger.of("ended") if entry["task_id"] == one.kling_id]
    calls = [entry for entry in ledger.of("answered") if entry["endpoint"] == one.example.path]
    one.units = next((entry["units"] for entry in (*ends, *calls)), None)


async def _read(world: World, endpoint: Endpoint) -> Answered:
    response = await world.relay.client.get(endpoint.path, params=PAGE, headers=bearer(world.acme))
    return Answered(response, world.tap.last(mark=endpoint.path, method="GET"))


async def _refuse_unpriced(world: World) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Try what ships without a price, before it has one."""
    refused = {}
    for example in EXAMPLES:
        if example.endpoint_name not in UNPRICED:
            continue
        before = await world.written(world.acme)
        response = await post(world, world.acme, example.path, example.body({}, external_id="u"))
        is_clean = await world.written(world.acme) == before
        code = response.json()["code"] if is_clean else UNCLEAN
        refused[example.name] = (response.status_code, code)
    rows = await world.relay.rows("SELECT wanted->>'endpoint' AS endpoint FROM price_misses")
    return refused, [row["endpoint"] for row in rows]


async def _name_foreign(
    world: World, ids: dict[str, str], theirs: dict[str, str]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Put another tenant's ids where an example names its own, and wherever an id may stand."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for example in EXAMPLES:
        for place in example.places:
            before = await world.written(world.acme)
            external_id = (
                f"foreign {example.name}" if example.endpoint.kind is EndpointKind.TASK else None
            )
            body = example.body({**ids, place: theirs[place]}, external_id=external_id)
            response = await post(world, world.acme, example.path, body)
            is_clean = await world.written(world.acme) == before
            code = response.json()["code"] if is_clean else UNCLEAN
            found.setdefault(example.name, {})[place] = (response.status_code, code)
        for reference in example.endpoint.references:
            before = await world.written(world.acme)
            their = theirs[reference.kind.value.upper()]
            body = json.dumps(_naming(reference.path, their)).encode()
            response = await post(world, world.acme, example.path, body)
            is_clean = await world.written(world.acme) == before
            code = response.json()["code"] if is_clean else UNCLEAN
            found.setdefault(example.name, {})[reference.path] = (response.status_code, code)
    return found


def _naming(path: str, name: str) -> dict[str, Any]:
    """The smallest body that names something at `a.b[].c`."""
    head, _, rest = path.partition(".")
    inner = _naming(rest, name) if rest else name
    return {head.removesuffix("[]"): [inner] if head.endswith("[]") else inner}


def _made(example: Example, reply: Any) -> str:
    names = {
        "VIDEO": "id",
        "AUDIO": "id",
        "VOICE": "voice_id",
        "ELEMENT": "element_id",
        "OLD": "element_id",
        "SESSION": "session_id",
        "FACES": "session_id",
    }
    return _find(reply["data"], names[example.makes])


def _find(value: Any, name: str) -> str:
    """The first value of this name, at whatever depth."""
    queue = [value]
    while queue:
        item = queue.pop(0)
        if isinstance(item, dict):
            if isinstance(item.get(name), str | int):
                return str(item[name])
            queue += item.values()
        elif isinstance(item, list):
            queue += item
    raise AssertionError(f"{name} is nowhere in the reply")
