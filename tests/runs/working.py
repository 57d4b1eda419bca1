"""Being the worker of runs, by hand."""

from typing import Any

from relay.runs.plan import Plan
from relay.runs.statements import CLAIM_LOOKS, CLAIM_SENDS
from relay.runs.turns import DueStep, Turns
from relay.runs.wish import Wish
from relay.runs.write import Begun
from relay.tenants.tokens import IssuedToken
from tests.relay_app import Relay


async def begin(relay: Relay, token: IssuedToken, plan: Plan, **more: Any) -> Begun:
    caller = await relay.faces.own._authenticator.authenticate(  # noqa: SLF001 (a caller as any)
        f"Bearer {token.api_key}", now_s=0.0
    )
    wish = Wish(plan, "test", {"of": "a test"}, request_id="-", **more)
    return await relay.parts.runs.beginner.begin(caller, wish)


async def claim_soon(relay: Relay) -> list[DueStep]:
    """Claim as a worker does when all pauses and leases are over."""
    await relay.rows("UPDATE run_steps SET next_attempt_at = now()")
    return await claim(relay)


async def claim(relay: Relay) -> list[DueStep]:
    """Claim what is due, as a worker does that has nothing in hand."""
    turns = (fresh(relay, CLAIM_SENDS), fresh(relay, CLAIM_LOOKS))
    return [due for one in turns for due in await one.claim(100)]


def fresh(relay: Relay, statement: str, *, of_tenant: int = 100, **more: Any) -> Turns:
    """Make the turns of another worker."""
    runner = relay.parts.runs.runner
    return Turns(relay.parts.store.pool, statement, runner.advance, of_tenant=of_tenant, **more)


async def work(relay: Relay, run_id: int) -> str:
    """Be the worker until a run has ended; Kling is asked as its looks would ask it."""
    while True:
        state: str = (await relay.row("SELECT state FROM runs WHERE id = $1", run_id))["state"]
        if state in ("completed", "failed", "cancelled"):
            return state
        for looked in await relay.parts.tasks.looker.claim_due(100):
            await relay.parts.tasks.looker.look(looked)
        await relay.rows("UPDATE tasks SET next_look_at = now() WHERE hold_ended_at IS NULL")
        for due in await claim_soon(relay):
            await relay.parts.runs.runner.advance(due)


async def tasks_of(relay: Relay, tenant: str) -> list[Any]:
    return await relay.rows(
        "SELECT t.* FROM tasks t JOIN tenants n ON n.id = t.tenant_id WHERE n.name = $1"
        " AND t.state <> 'refused' ORDER BY t.id",
        tenant,
    )
