"""`relay delivery`: what tenants' callback URLs were told, and what they answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import (
    json_option,
    moment,
    note,
    print_json,
    print_pairs,
    print_table,
    printable,
    raw_json,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.database.ids import TaskId
    from relay.deliveries.guard import Network
    from relay.deliveries.read import Attempt, ListedDelivery, ShownDelivery
    from relay.deliveries.send import Outcome
    from relay.desk.actor import Actor

IS_DUE = "it is due again"
STATES = ["due", "delivered", "superseded", "dead"]


@click.group()
def delivery() -> None:
    """Look at what tenants' callback URLs were told, and send one again."""


@delivery.command("list")
@click.option("--tenant", help="Only this tenant's.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--task", "task_key", help="Only of this task: our id, Kling's or the tenant's.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most rows."
)
@json_option
@examples("relay delivery list --tenant acme --state dead", "relay delivery list --task 117")
def list_command(
    tenant: str | None, state: str | None, task_key: str | None, limit: int, *, as_json: bool
) -> None:
    """List deliveries, newest first."""

    async def work(session: AsyncSession) -> list[ListedDelivery]:
        from relay.deliveries.read import list_deliveries
        from relay.desk.find import tenant_named

        tenant_id = (await tenant_named(session, tenant)).id if tenant is not None else None
        return await list_deliveries(
            session,
            tenant_id=tenant_id,
            state=state,
            task_id=await _task_id(session, task_key, tenant_id) if task_key else None,
            limit=limit,
        )

    with open_database() as database:
        found = database.read(work)
    if as_json:
        print_json(found)
        return
    print_table(
        [">id", "tenant", ">task", "status", "state", ">attempts", "next", "url", "reason"],
        [
            (
                str(row.id),
                row.tenant,
                str(row.task_id),
                row.task_status,
                row.state,
                str(row.attempts),
                moment(row.next_attempt_at),
                row.url,
                row.reason or "",
            )
            for row in found
        ],
        empty="There are no such deliveries.",
    )


@delivery.command()
@click.argument("id", help="Ours, or the webhook-id that the tenant saw.")
@json_option
@examples("relay delivery show 12", "relay delivery show msg_0c7d…")
def show(id: str, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Show a delivery: what is sent, and every attempt with its answer."""

    async def work(session: AsyncSession) -> ShownDelivery:
        from relay.deliveries.read import read_delivery
        from relay.desk.find import delivery_named

        return await read_delivery(session, await delivery_named(session, id))

    with open_database() as database:
        found = database.read(work)
    listed = found.listed
    if as_json:
        import msgspec

        attempts = {"attempt_list": found.attempts, "body": raw_json(found.body)}
        print_json(msgspec.structs.asdict(listed) | attempts)
        return
    print_pairs(
        [
            ("delivery", f"{listed.id}, {listed.state}"),
            ("webhook-id", listed.webhook_id),
            ("tenant", listed.tenant),
            ("task", f"{listed.task_id}, {listed.task_status}"),
            ("Kling's id", listed.kling_id),
            ("url", listed.url),
            ("reason", listed.reason),
            ("made", moment(listed.created_at)),
            ("ended", moment(listed.ended_at) if listed.ended_at else None),
            ("next attempt", moment(listed.next_attempt_at) if listed.next_attempt_at else None),
            ("body", found.body),
        ]
    )
    click.echo()
    print_table(
        [">attempt", "at", "outcome", ">ms", "answer"],
        [
            (
                str(attempt.number),
                moment(attempt.at),
                _outcome(attempt),
                "-" if attempt.duration_ms is None else str(attempt.duration_ms),
                " ".join((attempt.response or "").split()),
            )
            for attempt in found.attempts
        ],
        empty="There was no attempt, or it is older than what is kept.",
    )


@delivery.command()
@click.argument("id", help="Ours, or the webhook-id that the tenant saw.")
@json_option
@examples("relay delivery replay 12")
def replay(id: str, *, as_json: bool) -> None:  # noqa: A002 (click)
    """Send a delivery again that has ended: the same bytes, the same webhook-id."""

    async def work(session: AsyncSession, actor: Actor) -> int:
        from relay.desk.deliveries import replay_delivery

        return await replay_delivery(session, actor, id)

    with open_database() as database:
        delivery_id = database.act(work)
    if as_json:
        print_json({"id": delivery_id, "message": IS_DUE})
    else:
        click.echo(f"delivery {delivery_id}: {IS_DUE}")


@delivery.command()
@click.argument("tenant", help="Whose secret signs it.")
@click.argument("url", help="Where to.")
@json_option
@examples("relay delivery ping acme https://acme.example.com/kling/callback")
def ping(tenant: str, url: str, *, as_json: bool) -> None:
    """Send a signed test callback now, through the same guard, and show what came of it.

    The exit code is 1 if it was not answered with 2xx.
    """

    async def work(session: AsyncSession) -> list[str]:
        from relay.deliveries.signature import read_secrets
        from relay.desk.find import tenant_named

        row = await tenant_named(session, tenant)
        return await read_secrets(session, row.id, database.keys)

    with open_database() as database:
        secrets = database.read(work)
        allowed = database.settings.callback_networks
    outcome = asyncio.run(_ping(url, secrets, allowed))
    if as_json:
        import msgspec

        shown = {"delivered": outcome.is_delivered, "signed": bool(secrets)}
        print_json(shown | msgspec.structs.asdict(outcome))
    else:
        print_pairs(
            [
                ("outcome", outcome.summary),
                ("took", f"{outcome.duration_ms} ms"),
                ("signed", "yes" if secrets else "no: it has no webhook secret yet"),
                ("answer", " ".join((outcome.response or "").split()) or None),
            ]
        )
    if not outcome.is_delivered:
        raise Failure(f"it did not arrive: {outcome.summary}")
    if not secrets:
        note(f"`relay tenant webhook-secret {printable(tenant)}` makes the secret that signs.")


async def _ping(url: str, secrets: list[str], allowed: tuple[Network, ...]) -> Outcome:
    from relay.deliveries.guard import CallbackGuard
    from relay.deliveries.ping import ping as send_ping
    from relay.deliveries.send import Sender

    guard = CallbackGuard(allowed)
    if why := guard.why_unusable(url):
        raise Failure(f"the URL {why}")
    sender = Sender(guard)
    try:
        return await send_ping(sender, url, secrets=secrets)
    finally:
        await sender.aclose()


async def _task_id(session: AsyncSession, key: str, tenant_id: int | None) -> TaskId:
    from relay.tasks.inspect import find_tasks

    found = await find_tasks(session, key, tenant_id=tenant_id)
    if not found:
        raise Failure(f"no task has the id '{key}'")
    if len(found) > 1:
        raise Failure(
            f"{len(found)} tasks have the id '{key}': name one by our id"
            f" ({', '.join(str(task.id) for task in found)}), or --tenant"
        )
    return found[0].id


def _outcome(attempt: Attempt) -> str:
    if attempt.http_status is not None:
        return f"HTTP {attempt.http_status}"
    return attempt.error or "none: under way, or its worker ended"
