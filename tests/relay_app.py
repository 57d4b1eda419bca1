"""A whole relay for a test: the app in process, a sandbox behind it, a database of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import jwt
from litestar import Litestar

from relay.app import create_app
from relay.channels import tables as channel_tables
from relay.channels.directory import seal_into
from relay.database.engine import Sessions, open_engine, open_sessions
from relay.database.ids import TaskId
from relay.desk.actor import Actor, ActorKind
from relay.desk.errors import DeskError
from relay.desk.tenants import TenantChanges, change_tenant, open_tenant
from relay.desk.tokens import issue_token
from relay.faces import Faces
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import Transport
from relay.ledger.invariants import AuditReport
from relay.parts import Parts
from relay.sandbox.app import Sandbox
from relay.sandbox.settings import DEFAULT_ACCOUNT, SandboxSettings
from relay.sandbox.settings import Account as SandboxAccount
from relay.secrets import KeyRing, new_secret_key
from relay.settings import Settings
from relay.tasks.door import Finished, Via, end_row
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tenants.tokens import IssuedToken
from relay.usage.audit import audit_all
from tests.waiting import PATIENCE_S

SANDBOX_URL = "http://kling.sandbox"
PUBLIC_URL = "http://relay.test"
TEXT2VIDEO = "/kling/v1/videos/text2video"
CLIP = {"model_name": "kling-v3", "prompt": "a red fox in the snow", "mode": "std", "duration": "5"}
"""Silent, 5 s at 0.6 units: 3 units, 420,000 micros at the list price of 0.14 USD."""
CLIP_MICROS = 420_000
ACTOR = Actor(ActorKind.SYSTEM, "tester", origin="tests")
Act = Callable[..., Awaitable[object]]


class Relay:
    """What a test needs of one relay."""

    def __init__(
        self, app: Litestar, client: httpx.AsyncClient, sessions: Sessions, keys: KeyRing
    ) -> None:
        self.app = app
        self.client = client
        self.sessions = sessions
        self.keys = keys
        self._idle: list[Any] = []
        """Connections for the next `rows`: to open one takes longer than most of its statements."""
        self.sandbox: Sandbox | None = None
        """The Kling behind it; its `state.ledger` and `state.requests` are the truth."""
        self.database_url = ""

    @property
    def parts(self) -> Parts:
        parts = self.app.state.parts
        assert isinstance(parts, Parts)
        return parts

    @property
    def faces(self) -> Faces:
        faces = self.app.state.faces
        assert isinstance(faces, Faces)
        return faces

    async def add_tenant(
        self,
        name: str = "acme",
        *,
        quota_micros: int = 10_000_000,
        tasks_max: int | None = None,
        joins_retries: bool = False,
    ) -> IssuedToken:
        """Open a tenant; its equal creates are tasks of their own, unless a test is about them."""
        async with self.sessions.begin() as session:
            await open_tenant(
                session,
                ACTOR,
                name,
                quota_micros=quota_micros,
                currency="USD",
                tasks_max=tasks_max,
            )
            changes = TenantChanges(joins_retries=joins_retries)
            await change_tenant(session, ACTOR, name, changes)
            return await issue_token(session, ACTOR, name, self.keys)

    async def act(self, act: Act, task_id: TaskId, reason: str = "by hand") -> bool:
        """Settle, release or refund a task at the desk. False if the desk refused."""
        try:
            async with self.sessions.begin() as session:
                await act(session, ACTOR, task_id, reason=reason)
        except DeskError:
            return False
        return True

    def read_anew(self) -> None:
        """Have prices and channels read at the next question, as when they are two seconds old."""
        self.parts.tasks.submitter._quoter._in_force.forget()  # noqa: SLF001 (instead of the two seconds)
        self.parts.kling.directory.forget()

    async def heal(self) -> None:
        """Forget what was learned of how channels do, as when each had a good while to recover."""
        board, observer = self.parts.kling.board, self.parts.kling.observer
        while True:
            await board.aclose()
            if (reading := board._cached._reading) is not None:  # noqa: SLF001
                await asyncio.wait({reading})  # it would bring back what is forgotten
            await self.rows("DELETE FROM channel_conditions")
            if board._cached._reading is None and not board._writing:  # noqa: SLF001
                break
        board._known.clear()  # noqa: SLF001 (instead of the pauses)
        board._concerned.clear()  # noqa: SLF001
        board._own.clear()  # noqa: SLF001
        board._cached.forget()  # noqa: SLF001
        observer._streaks.clear()  # noqa: SLF001

    async def end(self, task: TaskRow, state: TaskState, via: Via, reason: str = "no") -> Finished:
        """Move a task without a word of Kling's."""
        row = end_row(task.id, state, via=via, reason=reason)
        return await self.parts.tasks.door.pass_through(row, task, durable=False)

    async def add_channel(
        self,
        name: str = "main",
        *,
        account: SandboxAccount = DEFAULT_ACCOUNT,
        base_url: str = SANDBOX_URL,
        priority: int = 0,
        webhook_secret: str | None = None,
        is_sandbox: bool = True,
    ) -> int:
        async with self.sessions.begin() as session:
            channel = channel_tables.Channel(
                name=name,
                base_url=base_url,
                priority=priority,
                api_key_sealed="to be sealed",
                is_sandbox=is_sandbox,
            )
            session.add(channel)
            await session.flush()
            seal_into(
                channel,
                self.keys,
                access_key=account.access_key,
                secret_key=account.secret_key,
                api_key=account.api_key,
                webhook_secret=webhook_secret,
            )
        await self.channels_changed()
        return channel.id

    async def channels_changed(self) -> None:
        """Have channels read at the next question: a worker may have found none a moment before."""
        directory = self.parts.kling.directory
        if (reading := directory._channels._reading) is not None:  # noqa: SLF001
            await asyncio.wait({reading})  # it would bring back what is forgotten
        directory.forget()

    async def submit(
        self, token: IssuedToken, body: Any = None, *, path: str = TEXT2VIDEO
    ) -> httpx.Response:
        """POST a body, by default a clip of 3 units; bytes go out as they are."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body or CLIP}
        return await self.client.post(path, headers=bearer(token), **content)

    async def get(self, token: IssuedToken, key: str, *, path: str = TEXT2VIDEO) -> httpx.Response:
        return await self.client.get(f"{path}/{key}", headers=bearer(token))

    async def account(self, tenant: str = "acme") -> tuple[int, int]:
        """The tenant's quota and held, in micros."""
        row = await self.row(
            "SELECT quota_micros, held_micros FROM accounts a JOIN tenants t ON t.account_id = a.id"
            " WHERE t.name = $1",
            tenant,
        )
        return row["quota_micros"], row["held_micros"]

    async def task(self, kling_id: str) -> Any:
        return await self.row("SELECT * FROM tasks WHERE kling_id = $1", kling_id)

    async def row(self, query: str, *values: object) -> Any:
        return (await self.rows(query, *values))[0]

    async def rows(self, query: str, *values: object) -> list[Any]:
        """Run one statement, behind the relay's back."""
        connection = self._idle.pop() if self._idle else None
        if connection is None or connection.is_closed():  # by a test that cuts them all
            connection = await asyncpg.connect(self.database_url)
        try:
            found = list(await connection.fetch(query, *values))
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return found

    async def aclose(self) -> None:
        for connection in self._idle:
            await connection.close()

    async def call_back(self, kling_id: str, body: bytes | dict[str, Any]) -> httpx.Response:
        """Send a callback on the path that was injected for this task."""
        task = await self.task(kling_id)
        return await self.call_back_on(task["injected_id"], task["channel_id"], body)

    async def call_back_on(
        self, injected_id: str, channel_id: int, body: bytes | dict[str, Any]
    ) -> httpx.Response:
        url = self.faces.receiver.paths.url(injected_id, channel_id)
        assert url is not None
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.post(url.removeprefix(PUBLIC_URL), **content)

    async def audit(self) -> AuditReport:
        async with self.sessions() as session:
            return await audit_all(session)


def bearer(token: IssuedToken) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.api_key}"}


def signed(token: IssuedToken, *, now_s: int | None = None, **claims: object) -> str:
    """A JWT as Kling's SDKs sign it."""
    now = int(time.time()) if now_s is None else now_s
    payload = {"iss": token.access_key, "exp": now + 1800, "nbf": now - 5, **claims}
    return jwt.encode(payload, token.secret_key, algorithm="HS256")


@asynccontextmanager
async def running_relay(
    database_url: str,
    *,
    sandbox: SandboxSettings | None = None,
    transport: Transport | None = None,
    with_callbacks: bool = False,
    with_worker: bool = False,
    beside: Relay | None = None,
    keys: KeyRing | None = None,
    **settings: Any,
) -> AsyncIterator[Relay]:
    """Run a relay in process; without a `transport`, before a sandbox that never calls back.

    `beside` another one on its database, it is a second replica: the same keys, the same Kling.
    """
    if keys is None:
        keys = beside.keys if beside else KeyRing.parse(new_secret_key())
    kling = beside.sandbox if beside else None
    if transport is None:
        kling = kling or Sandbox(
            sandbox or SandboxSettings(task_seconds=0.2, public_url=SANDBOX_URL)
        )
        transport = HttpxTransport(httpx.ASGITransport(app=kling))
    app = create_app(
        Settings(
            **{
                "public_url": PUBLIC_URL if with_callbacks else None,
                "submit_retry_s": 0.0,
            }
            | settings
        ),
        database_url=database_url,
        keys=keys,
        transport=transport,
        with_worker=with_worker,
    )
    engine = open_engine(database_url)
    try:
        # Not Litestar's AsyncTestClient: it blocks the test's loop during each request, so that
        # nothing in a `gather` would ever be concurrent.
        async with (
            app.lifespan(),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]  # a Litestar is an ASGI app
                base_url=PUBLIC_URL,
                timeout=PATIENCE_S,
            ) as client,
        ):
            relay = Relay(app, client, open_sessions(engine), keys)
            relay.sandbox, relay.database_url = kling, database_url
            try:
                yield relay
            finally:
                await relay.aclose()
    finally:
        await engine.dispose()
        if beside is None and kling is not None:
            await kling.reset()  # its timers end with the test


@asynccontextmanager
async def fixture_relay(database_url: str, **options: Any) -> AsyncIterator[Relay]:
    """Run a relay for a fixture, which pytest enters and leaves in two different tasks.

    Litestar's lifespan has anyio's cancel scopes in it, which take that badly.
    """
    started: asyncio.Future[Relay] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def run() -> None:
        async with running_relay(database_url, **options) as relay:
            started.set_result(relay)
            await stop.wait()

    def tell(running: "asyncio.Task[None]") -> None:
        if not started.done():
            started.set_exception(running.exception() or RuntimeError("the relay ended"))

    running = asyncio.create_task(run())
    running.add_done_callback(tell)
    relay = await started
    try:
        yield relay
    finally:
        stop.set()
        await running
