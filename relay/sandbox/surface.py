"""Kling's own paths: one ASGI application over the catalogue.

Plain ASGI and outside of Litestar's routing, because a cut connection must stay one: Litestar
turns whatever a handler raises into a reply.
"""

import re
import time
from urllib.parse import parse_qs

from litestar.types import HTTPScope, Receive, Send

from relay.sandbox import envelopes
from relay.sandbox.bodies import faults_of, read_body
from relay.sandbox.books import Asked, Books
from relay.sandbox.calls import Call, charge_call
from relay.sandbox.catalogue import CreateTask, FindTask, ListTasks, find_route
from relay.sandbox.credentials import Accounts
from relay.sandbox.endpoint import Endpoint
from relay.sandbox.errors import Refusal
from relay.sandbox.faults import FIELD, HEADER, Faults
from relay.sandbox.fields import Fields
from relay.sandbox.ledger import Requests, now_ms
from relay.sandbox.new_envelopes import new_created
from relay.sandbox.new_orders import new_order, solution_order
from relay.sandbox.orders import Order, legacy_order
from relay.sandbox.replies import Reply, ended_by, receive_body, refused_by, send_reply
from relay.sandbox.settings import Account, SandboxSettings
from relay.sandbox.things import Thing, ThingKind
from relay.sandbox.timeline import Timeline
from relay.sandbox.units import pack_of


class Surface:
    """Answers every path that is not the sandbox's own."""

    def __init__(
        self, settings: SandboxSettings, books: Books, timeline: Timeline, requests: Requests
    ) -> None:
        self._accounts = Accounts(settings.accounts)
        self._public_url = settings.public_url
        self._books = books
        self._timeline = timeline
        self._requests = requests

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Read, keep, answer.

        Raises:
            httpx.RemoteProtocolError: the reply was to be cut and there is no socket to close
                (an ASGI transport): what httpx itself raises when a peer does that.
        """
        body = await receive_body(receive)
        if body is None:
            return  # the caller hung up before the request was complete
        path = _raw_path(scope)
        self._requests.add(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=scope["headers"],
            body=body,
        )
        try:
            reply = await self._answer(scope, path, body)
        except Refusal as refusal:
            reply = Reply(refusal.http_status, envelopes.error(refusal))
        await send_reply(reply, scope, receive, send)

    async def _answer(self, scope: HTTPScope, path: str, body: bytes) -> Reply:
        headers = dict(scope["headers"])
        account, credential = self._accounts.identify(
            headers.get(b"authorization", b"").decode("latin-1"), now=time.time()
        )
        route = find_route(scope["method"], re.sub("/{2,}", "/", path).rstrip("/"))
        if route is None:
            raise Refusal(1202)
        row = route if isinstance(route, Call) else route.endpoint
        if credential not in row.credentials:
            raise Refusal(1002, "The current API does not support AK/SK")
        query = _query_of(scope)
        beside = f"{headers.get(HEADER, b'').decode('latin-1')} {query.get(FIELD, '')}"
        match route:
            case CreateTask():
                values = read_body(body)
                faults = faults_of(values, beside)
                return await self._create(account, route, values, faults, self._base_url(scope))
            case ListTasks(endpoint):
                return self._list(account, endpoint, query)
            case FindTask(endpoint, name):
                task = self._books.tasks.find(account, endpoint, name)
                return Reply(200, envelopes.success(envelopes.queried(task)))
            case Call():
                values = query if route.method == "GET" else read_body(body)
                faults = faults_of(values, beside)
                return await self._call(account, route, values, faults, self._base_url(scope))

    async def _create(
        self,
        account: Account,
        route: CreateTask,
        values: dict[str, object],
        faults: Faults,
        base_url: str,
    ) -> Reply:
        """Check, accept, answer; each in the way the faults ask for."""
        order = _read_order(route, values, faults)
        things = self._things(account, route.endpoint.ids, values, faults)
        refused = refused_by(faults)
        if refused is not None:
            return refused
        if self._books.charges.is_used_up(account.access_key, pack_of(route.endpoint)):
            raise Refusal(1102)
        task = self._books.tasks.accept(account, order.naming(things), base_url=base_url)
        self._timeline.begin(task)
        is_legacy = route.endpoint.generation == "legacy"
        data = envelopes.created(task) if is_legacy else new_created(task)
        return await ended_by(faults, envelopes.success(data))

    async def _call(
        self,
        account: Account,
        call: Call,
        values: dict[str, object],
        faults: Faults,
        base_url: str,
    ) -> Reply:
        """Answer at once, in the way the faults ask for."""
        fields = Fields(values)
        for group in call.needs:
            fields.need(*group)
        things = self._things(account, call.ids, values, faults)
        refused = refused_by(faults)
        if refused is not None:
            return refused
        if call.units is not None and self._books.charges.is_used_up(account.access_key, "video"):
            raise Refusal(1102)
        asked = Asked(account, values, faults, things, base_url, now_ms())
        data = call.answer(self._books, asked)
        if call.units is not None and isinstance(data, dict):
            data |= charge_call(self._books, asked, call, data)
        if "no id" in faults and isinstance(data, dict):
            data = {key: data[key] for key in data if key not in {"task_id", "session_id"}}
        return await ended_by(faults, envelopes.success(data))

    def _things(
        self,
        account: Account,
        ids: tuple[tuple[ThingKind, str], ...],
        values: dict[str, object],
        faults: Faults,
    ) -> list[Thing]:
        if "any ids" in faults:
            return []
        return self._books.things.need(account.access_key, ids, values, now_ms=now_ms())

    def _list(self, account: Account, endpoint: Endpoint, query: dict[str, object]) -> Reply:
        fields = Fields(query)
        number = fields.whole("pageNum", range(1, 1001), 1)
        most = 1000 if endpoint.results == "voices" else 500
        size = fields.whole("pageSize", range(1, most + 1), 30)
        tasks = self._books.tasks.page(account, endpoint, number=number, size=size)
        return Reply(200, envelopes.success([envelopes.queried(task) for task in tasks]))

    def _base_url(self, scope: HTTPScope) -> str:
        if self._public_url is not None:
            return self._public_url.rstrip("/")
        host = dict(scope["headers"]).get(b"host", b"localhost").decode("latin-1")
        return f"{scope['scheme']}://{host}"


def _read_order(route: CreateTask, values: dict[str, object], faults: Faults) -> Order:
    match route.endpoint.generation:
        case "2.0":
            return new_order(route.endpoint, route.model, values, faults)
        case "solutions":
            return solution_order(route.endpoint, values, faults)
        case _:
            return legacy_order(route.endpoint, values, faults)


def _query_of(scope: HTTPScope) -> dict[str, object]:
    """Take the last value of each parameter."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return {name: values[-1] for name, values in query.items()}


def _raw_path(scope: HTTPScope) -> str:
    """Read the path still percent-encoded: an external id may hold a slash."""
    return (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
