"""What Kling has no path for: tenants ask the relay itself, under `/relay/`.

    …    /relay/deliveries…      a tenant's own callbacks (`own_deliveries.py`)
    …    /relay/assets…          its files that stay (`own_assets.py`)
    GET  /relay/prices           what it pays, and what it will (`own_prices.py`)
    POST /relay/quote            what a create would hold
    GET  /relay/queue            what waits for room, by pages (`own_queue.py`)
    POST /relay/tasks/{id}/cancel
    GET  /relay/tasks            newest first (`own_tasks.py`)
    GET  /relay/tasks/{id}       what one waits for; its `timeline` too
    GET  /relay/balance          its money; `usage`, `entries` and `statement` too (`own_books.py`)
    GET  /relay/limits           what bounds it (`own_limits.py`)
    …    /relay/tenants…         those below it (`own_tenants.py`)
    POST /relay/redeem           a code, for quota (`own_codes.py`)
    …    /relay/invoices…        its fapiao, and /relay/invoice-profile (`own_invoices.py`)
    …    /relay/tokens…          its keys, and /relay/webhook-secret (`own_tokens.py`)
    …    /relay/sessions…        who is in the portal (`own_sessions.py`)
    …    /relay/notices…         where it is told of its business (`own_notices.py`)
    GET  /relay/openapi.json     Kling's surface as an OpenAPI document

Answers stand in Kling's envelope, errors are Kling's codes, and a bearer is asked for first: who
has none learns nothing that Kling would not say. What changes nothing is for keys of all scopes,
but for keys and tenants themselves, which take one of scope `manage`, and to change them one that
was not replaced. Beside all that is answered what clients of new-api ask (`new_api_usage.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from litestar.types import HTTPScope, Receive

from relay.body_budget import BodyBudget
from relay.counts import Counts
from relay.database.engine import Sessions
from relay.errors import ScopeTooSmall, Unavailable, UnknownPath, Withheld
from relay.logs import RequestLine
from relay.proxy.answers import JSON, Document, Sent, answer_data
from relay.proxy.asked import Asked, name_now
from relay.proxy.new_api_usage import NEW_API, NewApiUsage
from relay.proxy.openapi.document import KlingDocument
from relay.proxy.own_assets import OwnAssets
from relay.proxy.own_books import OwnBooks
from relay.proxy.own_codes import OwnCodes
from relay.proxy.own_deliveries import OwnDeliveries
from relay.proxy.own_invoices import OwnInvoices
from relay.proxy.own_limits import OwnLimits
from relay.proxy.own_notices import OwnNotices
from relay.proxy.own_prices import OwnPrices
from relay.proxy.own_queue import OwnQueue
from relay.proxy.own_sessions import OwnSessions
from relay.proxy.own_tasks import OwnTasks
from relay.proxy.own_tenants import OwnTenants
from relay.proxy.own_tokens import OwnTokens
from relay.proxy.paths import shown_path
from relay.proxy.surface import TenantSurface
from relay.tenants.authenticate import Authenticator
from relay.tenants.caller import Caller
from relay.tenants.scope import Scope

KEY = b"{id}"


LOOKS, ACTS = frozenset({Scope.CALL, Scope.READ}), frozenset({Scope.CALL})
BOOKS, MANAGES = frozenset({Scope.READ}), frozenset({Scope.MANAGE})

Answer = Callable[[Caller, Asked], Awaitable[Any]]


class OwnPath(NamedTuple):
    """One path of tenants' own."""

    method: str
    segments: tuple[bytes, ...]
    """Below the root; `KEY` stands for any one."""
    label: str
    """For the log: no id in it."""
    answer: Answer
    """What is to stand in `data`; or the whole body, as of a document."""
    is_enveloped: bool = True
    scopes: frozenset[Scope] = LOOKS
    """Those of them that a key has one of may ask."""


class OwnSurface(TenantSurface):
    """Every request about the relay itself."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        deliveries: OwnDeliveries,
        assets: OwnAssets,
        prices: OwnPrices,
        queue: OwnQueue,
        tokens: OwnTokens,
        tenants: OwnTenants,
        tasks: OwnTasks,
        books: OwnBooks,
        codes: OwnCodes,
        invoices: OwnInvoices,
        limits: OwnLimits,
        notices: OwnNotices,
        portal_sessions: OwnSessions,
        new_api: NewApiUsage,
        document: KlingDocument,
        sessions: Sessions,
        budget: BodyBudget,
        body_limit_bytes: int,
        counts: Counts,
    ) -> None:
        super().__init__(
            authenticator=authenticator,
            budget=budget,
            body_limit_bytes=body_limit_bytes,
            counts=counts,
        )
        label, keys = "relay.deliveries", "relay.tokens"
        told, below, paper = "relay.notices", "relay.tenants", "relay.invoices"
        in_portal, profile = "relay.sessions", (b"invoice-profile",)
        self._paths = (
            OwnPath("GET", (b"deliveries",), label, deliveries.list),
            OwnPath("POST", (b"deliveries", b"ping"), label, deliveries.ping, scopes=ACTS),
            OwnPath("GET", (b"deliveries", KEY), label, deliveries.show),
            OwnPath("POST", (b"deliveries", KEY, b"replay"), label, deliveries.replay, scopes=ACTS),
            OwnPath("GET", (b"assets",), "relay.assets", assets.list),
            OwnPath("GET", (b"assets", KEY), "relay.assets", assets.show),
            OwnPath(
                "POST", (b"assets", KEY, b"delete"), "relay.assets", assets.delete, scopes=ACTS
            ),
            OwnPath("GET", (b"prices",), "relay.prices", prices.list),
            OwnPath("POST", (b"quote",), "relay.quote", prices.quote),
            OwnPath("GET", (b"queue",), "relay.queue", queue.list),
            OwnPath("POST", (b"tasks", KEY, b"cancel"), "relay.cancel", queue.cancel, scopes=ACTS),
            OwnPath("GET", (b"tasks",), "relay.tasks", tasks.list),
            OwnPath("GET", (b"tasks", KEY), "relay.task", tasks.show),
            OwnPath("GET", (b"tasks", KEY, b"timeline"), "relay.task", tasks.timeline),
            OwnPath("GET", (b"balance",), "relay.balance", books.balance),
            OwnPath("GET", (b"usage",), "relay.usage", books.usage),
            OwnPath("GET", (b"limits",), "relay.limits", limits.list),
            OwnPath("GET", (b"entries",), "relay.entries", books.entries),
            OwnPath("GET", (b"statement",), "relay.statement", books.statement, scopes=BOOKS),
            OwnPath("POST", (b"redeem",), "relay.redeem", codes.redeem, scopes=ACTS),
            OwnPath("GET", (b"invoices",), paper, invoices.list, scopes=BOOKS),
            OwnPath("POST", (b"invoices",), paper, invoices.request, scopes=MANAGES),
            OwnPath("GET", (b"invoices", KEY, b"file"), paper, invoices.file, scopes=BOOKS),
            OwnPath("GET", profile, paper, invoices.profile, scopes=BOOKS),
            OwnPath("PUT", profile, paper, invoices.set_profile, scopes=MANAGES),
            OwnPath("GET", (b"tokens",), keys, tokens.list, scopes=MANAGES),
            OwnPath("POST", (b"tokens",), keys, tokens.issue, scopes=MANAGES),
            OwnPath("POST", (b"tokens", KEY), keys, tokens.change, scopes=MANAGES),
            OwnPath("POST", (b"tokens", KEY, b"limits"), keys, limits.set, scopes=MANAGES),
            OwnPath("POST", (b"tokens", KEY, b"rotate"), keys, tokens.rotate, scopes=MANAGES),
            OwnPath("POST", (b"tokens", KEY, b"revoke"), keys, tokens.revoke, scopes=MANAGES),
            OwnPath("GET", (b"tenants",), below, tenants.list, scopes=MANAGES),
            OwnPath("POST", (b"tenants",), below, tenants.open, scopes=MANAGES),
            OwnPath("POST", (b"tenants", KEY), below, tenants.change, scopes=MANAGES),
            OwnPath("POST", (b"tenants", KEY, b"close"), below, tenants.close, scopes=MANAGES),
            OwnPath("GET", (b"tenants", KEY, b"tokens"), below, tenants.tokens, scopes=MANAGES),
            OwnPath("POST", (b"tenants", KEY, b"tokens"), below, tenants.issue, scopes=MANAGES),
            OwnPath(
                *("POST", (b"tenants", KEY, b"webhook-secret"), below, tenants.issue_secret),
                scopes=MANAGES,
            ),
            OwnPath("GET", (b"webhook-secret",), keys, tokens.secret, scopes=MANAGES),
            OwnPath("POST", (b"webhook-secret",), keys, tokens.issue_secret, scopes=MANAGES),
            OwnPath("GET", (b"sessions",), in_portal, portal_sessions.list),
            OwnPath("POST", (b"sessions", KEY, b"end"), in_portal, portal_sessions.end),
            OwnPath("GET", (b"notices",), told, notices.list, scopes=MANAGES),
            OwnPath("POST", (b"notices",), told, notices.add, scopes=MANAGES),
            OwnPath("POST", (b"notices", KEY, b"test"), told, notices.test, scopes=MANAGES),
            OwnPath("POST", (b"notices", KEY, b"remove"), told, notices.remove, scopes=MANAGES),
            OwnPath("GET", (b"openapi.json",), "relay.openapi", self._describe),
        )
        asked = "relay.new_api"
        self._aliases = tuple(
            OwnPath("GET", tuple(path.split(b"/")), asked, answer, is_enveloped=False)
            for path, answer in zip(
                NEW_API, (new_api.token, new_api.subscription, new_api.usage), strict=True
            )
        )
        self._document = document
        self._sessions = sessions

    async def _answer(
        self, caller: Caller, scope: HTTPScope, receive: Receive, line: RequestLine
    ) -> Sent:
        path, key = self._find(scope["method"], scope["raw_path"].partition(b"?")[0])
        line.route = path.label
        if not any(caller.scope.has(one) for one in path.scopes):
            raise ScopeTooSmall(caller.scope, " or ".join(sorted(path.scopes)))
        if caller.is_replaced and path.scopes is MANAGES and path.method != "GET":
            # What it made would be known to whoever found it, and outlive it.
            raise Withheld("this key was replaced by new ones, which alone change this")
        body = await self._read(scope, receive, caller)
        try:
            content = bytes(body.content)
        finally:
            body.release()
        asked = Asked(key, scope["query_string"], content, line.request_id, line.client)
        try:
            answer = await path.answer(caller, asked)
        except Unavailable:
            # Somebody was writing the same. Who was removed by that is not to try again.
            async with self._sessions.begin() as session:
                await name_now(session, caller.tenant_id)
            raise
        if isinstance(answer, Document):
            return Sent(200, answer.content, content_type=answer.content_type)
        content = msgspec.json.encode(answer)
        return answer_data(content, line.request_id) if path.is_enveloped else Sent(200, content)

    async def _describe(self, caller: Caller, asked: Asked) -> Document:
        _ = caller, asked  # every tenant is offered the same
        return Document(await asyncio.to_thread(lambda: self._document.content), JSON)

    def _find(self, method: str, raw_path: bytes) -> tuple[OwnPath, str]:
        """Find a path, and the key in it.

        Raises:
            UnknownPath: not one of ours.
        """
        root, *given = filter(None, raw_path.split(b"/"))
        paths: tuple[OwnPath, ...] = self._paths
        if root != b"relay":
            given, paths = given if root == b"v1" else [root, *given], self._aliases
        for path in paths:
            if method != path.method or len(given) != len(path.segments):
                continue
            pairs = list(zip(path.segments, given, strict=True))
            if all(segment in (KEY, spelt) for segment, spelt in pairs):
                return path, next((_text(spelt) for segment, spelt in pairs if segment == KEY), "")
        raise UnknownPath(method, shown_path(raw_path))


def _text(segment: bytes) -> str:
    # Postgres takes no NUL in a text.
    return unquote_to_bytes(segment).decode(errors="replace").replace("\x00", "\ufffd")
