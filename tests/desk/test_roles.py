"""What an operator may do, judged inside the act: by role, and up to a ceiling under any load."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import open_engine, open_sessions
from relay.desk.actor import Actor, ActorKind
from relay.desk.errors import Busy, NotAllowed, OverCeiling
from relay.desk.money import add_quota
from relay.desk.operators import add_operator, change_operator, remove_operator
from relay.desk.roles import ACTS, READS
from relay.desk.tasks import refund, unflag
from relay.desk.tenants import TenantChanges, change_tenant, open_tenant
from relay.desk.tokens import issue_token
from relay.operators.tables import Role
from tests.desk.acts import DONE
from tests.desk.world import ANN, CURRENCY, Desk
from tests.tasks.holding import clip_quote

OWN = {"operator.set_password", "operator.set_second_factor", "operator.end_session"}
"""What everybody may do of his own, and an owner of all; the table's case is another one's."""


async def operator(desk: Desk, role: Role, **ceilings: int) -> Actor:
    """One of that role, as the office knows it."""
    own = {act.replace("_", ".", 1): micros for act, micros in ceilings.items()}
    row = await desk.act(
        lambda session, actor: add_operator(session, actor, "bob", role=role, ceilings=own)
    )
    return Actor(ActorKind.OPERATOR, "bob", origin="10.1.2.3", operator_id=row.id)


async def charged_task(desk: Desk, tenant: str) -> Any:
    """A success of a tenant of its own."""

    async def work(session: AsyncSession, actor: Actor) -> None:
        await open_tenant(
            session, actor, tenant, quota_micros=clip_quote().hold_micros, currency=CURRENCY
        )
        desk.tokens[tenant] = await issue_token(session, actor, tenant, desk.keys)

    await desk.act(work)
    task_id = await desk.hold(tenant=tenant)
    await desk.succeed(task_id)
    return task_id


def refunding(task_id: Any, micros: int) -> Any:
    return lambda session, actor: refund(
        session, actor, task_id, reason="black", amount_micros=micros
    )


def topping_up(micros: int, reference: str) -> Any:
    return lambda session, actor: add_quota(
        *(session, actor, "acme"), amount_micros=micros, reference=reference, currency=CURRENCY
    )


async def test_each_role_does_what_the_table_says_and_nothing_else(desk: Desk) -> None:
    """Of every act, by every role: refused before it reads anything, or let through."""
    bob = await operator(desk, Role.VIEWER)

    async def is_let_through(case: Any) -> bool:
        async with desk.sessions() as session:  # taken back: the next role finds it as it was
            try:
                await case.do(desk, session, bob)
            except NotAllowed:
                return False
            return True

    cases = {case.told(desk).act: case for case in DONE if not case.label}
    assert cases.keys() == ACTS.keys() - READS
    for role in Role:
        await desk.run(f"UPDATE operators SET role = '{role}' WHERE name = 'bob'")
        bound = {"tenant.open"} if role is Role.OPERATOR else set()
        priced = {"tenant.change"} if role is Role.OPERATOR else set()
        of_another = set() if role is Role.OWNER else OWN
        for act, case in cases.items():
            if act in bound:
                continue  # with quota: below
            assert await is_let_through(case) == (
                role in ACTS[act] and act not in priced | of_another
            ), act


async def test_a_removed_operator_and_one_of_another_name_may_nothing(desk: Desk) -> None:
    """Though a running process still knows its token."""
    bob = await operator(desk, Role.OWNER)
    await desk.act(lambda session, actor: remove_operator(session, actor, "bob"))
    before = await desk.dump()

    for gone in (bob, Actor(ActorKind.OPERATOR, "bob"), Actor(ActorKind.OPERATOR, "sue")):
        with pytest.raises(NotAllowed):
            await desk.act(topping_up(1, "invoice 7"), gone)

    assert await desk.dump() == before


async def test_what_a_tenant_pays_is_no_matter_of_who_may_change_it(desk: Desk) -> None:
    """An operator opens tenants without money and limits them; quota and prices are refused."""
    bob = await operator(desk, Role.OPERATOR)

    def opening(quota_micros: int, price_group: str | None = None) -> Any:
        return lambda session, actor: open_tenant(
            *(session, actor, "gamma"),
            quota_micros=quota_micros,
            currency=CURRENCY,
            price_group=price_group,
        )

    def changing(**changes: Any) -> Any:
        return lambda session, actor: change_tenant(
            session, actor, "acme", TenantChanges(**changes)
        )

    with pytest.raises(OverCeiling):
        await desk.act(opening(1), bob)
    for priced in (opening(0, "vip"), changing(price_group="vip"), changing(multiplier=None)):
        with pytest.raises(NotAllowed):
            await desk.act(priced, bob)
    await desk.act(opening(0), bob)
    await desk.act(changing(tasks_max=3), bob)


async def test_no_concurrency_refunds_past_a_ceiling(desk: Desk) -> None:
    """Of forty refunds of 1 at once, on twenty accounts that keep nobody waiting, ten are done."""
    bob = await operator(desk, Role.SUPPORT, task_refund=10)
    tasks = [await charged_task(desk, f"tenant-{number}") for number in range(20)]

    engine = open_engine(desk.database_url, connections=20)  # more at once than it may
    sessions = open_sessions(engine)

    async def refunded(number: int) -> bool:
        while True:
            try:
                async with sessions.begin() as session:
                    await refunding(tasks[number % len(tasks)], 1)(session, bob)
            except Busy:
                continue
            except OverCeiling:
                return False
            return True

    outcomes = await asyncio.gather(*map(refunded, range(40)))
    await engine.dispose()

    assert outcomes.count(True) == 10
    given = await desk.row(
        "SELECT sum(amount_micros) AS all FROM entries WHERE actor = $1", "operator:bob"
    )
    assert given["all"] == 10
    noted = await desk.row("SELECT count(*) AS all FROM changes WHERE actor = 'operator:bob'")
    assert noted["all"] == 10


async def test_a_ceiling_is_of_one_act_and_of_24_hours(desk: Desk) -> None:
    """What was done longer ago, by others, or at another act, does not count; it is set anew."""
    bob = await operator(desk, Role.FINANCE, task_refund=10, tenant_top_up=5)
    task_id = await desk.hold()
    await desk.succeed(task_id)
    charged = clip_quote().price_micros

    await desk.act(refunding(task_id, 7), ANN)
    await desk.act(refunding(task_id, 7), bob)
    await desk.act(topping_up(5, "invoice 8"), bob)
    assert not await desk.act(topping_up(5, "invoice 8"), bob)  # the same again is nothing
    with pytest.raises(OverCeiling, match=r"would come to 0\.000011 in 24 hours"):
        await desk.act(refunding(task_id, 4), bob)
    await desk.run(
        "SET session_replication_role = replica;"
        " UPDATE changes SET at = at - interval '24 hours' WHERE act = 'task.refund';"
        " SET session_replication_role = origin"
    )
    await desk.act(refunding(task_id, 10), bob)
    own = {"task.refund": None}
    await desk.act(lambda session, actor: change_operator(session, actor, "bob", ceilings=own))
    await desk.act(refunding(task_id, charged - 24), bob)


async def test_a_role_that_is_taken_away_waits_for_acts_under_it(desk: Desk) -> None:
    """Until they are committed; and none begins under it afterwards."""
    bob = await operator(desk, Role.SUPPORT)

    async with desk.sessions.begin() as session:
        await unflag(session, bob, desk.tasks.flagged, reason="seen")
        with pytest.raises(Busy):
            await desk.act(
                lambda session, actor: change_operator(session, actor, "bob", role=Role.VIEWER)
            )
    await desk.act(lambda session, actor: change_operator(session, actor, "bob", role=Role.VIEWER))
    with pytest.raises(NotAllowed, match=r"the role viewer may not do task\.refund"):
        await desk.act(refunding(desk.tasks.charged, 1), bob)
