"""What the demo plays on: a sandbox, a database and a relay, and what an operator set up there."""

import time
from contextlib import AsyncExitStack
from pathlib import Path

import jwt
import msgspec

from relay.cli.demo.database import demo_database
from relay.cli.demo.processes import Child, running, running_relay
from relay.cli.demo.progress import Progress
from relay.cli.failure import Failure
from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import Sessions, open_engine, open_sessions
from relay.desk.actor import system_user
from relay.desk.channels import ChannelKeys, add_channel
from relay.desk.tenants import open_tenant
from relay.desk.tokens import IssuedToken, issue_token
from relay.money import money
from relay.sandbox.settings import DEFAULT_ACCOUNT
from relay.secrets import KeyRing, new_secret_key

CURRENCY = "USD"
TASK_SECONDS = 2.0
OPENINGS_MICROS = {"acme": 10_000_000, "globex": 5_000_000}


class DemoTenant(msgspec.Struct, frozen=True):
    """A tenant as its own software sees it. Never log one: it has the secrets."""

    opening_micros: int
    signs_jwts: bool
    token: IssuedToken

    def authorization(self) -> str:
        """Make the header of one request, as Kling's SDKs do (docs/kling-api.md 2)."""
        if not self.signs_jwts:
            return f"Bearer {self.token.api_key}"
        now = int(time.time())
        claims = {"iss": self.token.access_key, "exp": now + 1800, "nbf": now - 5}
        return f"Bearer {jwt.encode(claims, self.token.secret_key, algorithm='HS256')}"


class Stage(msgspec.Struct, frozen=True):
    """All that runs, and who plays on it. Never log one: it has the secrets."""

    sessions: Sessions
    tenants: dict[str, DemoTenant]
    sandbox: Child
    relay: Child
    database_url: str
    secret_key: str
    kling_log: Path

    def raise_if_ended(self, cause: Failure | None = None) -> None:
        """Blame the process that is no more, if there is one."""
        for child in (self.relay, self.sandbox):
            if child.has_ended:
                raise child.failure("ended by itself") from cause


async def set_up(
    stack: AsyncExitStack, server: EmbeddedPostgres, directory: Path, progress: Progress
) -> Stage:
    """Start everything, one after the other; `stack` stops it in the opposite order."""
    kling_log, secret_key = directory / "kling.jsonl", new_secret_key()
    kling_log.touch()
    told = ("--log-file", str(kling_log), "--task-seconds", str(TASK_SECONDS))
    enter = stack.enter_async_context
    sandbox = await enter(running("sandbox", "--port", "0", *told, directory=directory))
    database = await enter(demo_database(server))
    url = server.url(database)
    progress.tell("", "database", "ready", f"{database}, dropped at the end")
    await sandbox.wait_until_started()
    progress.tell("", "relay sandbox", "ready", sandbox.url)
    engine = open_engine(url, connections=1)
    stack.push_async_callback(engine.dispose)
    sessions = open_sessions(engine)
    tenants = await _open_business(sessions, KeyRing.parse(secret_key), sandbox.url)
    relay = await enter(running_relay(directory, database_url=url, secret_key=secret_key))
    progress.tell("", "relay serve", "ready", relay.url)
    for name, tenant in tenants.items():
        credential = "signs JWTs" if tenant.signs_jwts else "has an API key"
        opening = money(tenant.opening_micros, CURRENCY)
        progress.tell(name, "quota", "ready", f"{opening}, {credential}")
    return Stage(sessions, tenants, sandbox, relay, url, secret_key, kling_log)


async def _open_business(
    sessions: Sessions, keys: KeyRing, kling_url: str
) -> dict[str, DemoTenant]:
    """Add the sandbox as the only channel, and both tenants with their quota; these by name."""
    kling, actor, tenants = DEFAULT_ACCOUNT, system_user(), {}
    async with sessions.begin() as session:
        await add_channel(
            session,
            actor,
            keys,
            name="sandbox",
            base_url=kling_url,
            channel_keys=ChannelKeys(
                access_key=kling.access_key, secret_key=kling.secret_key, api_key=kling.api_key
            ),
            is_sandbox=True,
        )
        for name, micros in OPENINGS_MICROS.items():
            await open_tenant(session, actor, name, quota_micros=micros, currency=CURRENCY)
            token = await issue_token(session, actor, name, keys)
            tenants[name] = DemoTenant(micros, signs_jwts=name == "globex", token=token)
    return tenants
