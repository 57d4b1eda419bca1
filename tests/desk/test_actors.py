"""Who acted: told by the shell, and kept with all that the act writes."""

import os
import pwd
import socket

import pytest

from relay.desk.actor import Actor, ActorKind, system_user
from relay.desk.deliveries import replay_delivery
from relay.desk.money import add_quota, adjust_quota
from relay.desk.tasks import refund, release, settle, unflag
from tests.desk.world import CURRENCY, Desk

ME = pwd.getpwuid(os.getuid()).pw_name
OTHER = next(user.pw_name for user in pwd.getpwall() if user.pw_name != ME)


@pytest.mark.parametrize(
    ("actor", "spelt"),
    [
        (Actor(ActorKind.SYSTEM, "ann"), "system:ann"),
        (Actor(ActorKind.TENANT, "acme"), "tenant:acme"),
        (Actor(ActorKind.OPERATOR, "ann@example.com"), "operator:ann@example.com"),
        (Actor(ActorKind.RELAY), "relay"),
    ],
)
def test_an_actor_is_spelt_by_kind_and_name(actor: Actor, spelt: str) -> None:
    """As rows keep it."""
    assert str(actor) == spelt


@pytest.mark.parametrize(
    ("behind_sudo", "name"),
    [(None, ME), ("", ME), (OTHER, OTHER), ("nobody that is\nknown", ME), ("no-such-user", ME)],
)
def test_at_a_terminal_it_is_the_user_or_who_called_sudo(
    monkeypatch: pytest.MonkeyPatch, behind_sudo: str | None, name: str
) -> None:
    """A name that this machine does not know is nobody's."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    if behind_sudo is not None:
        monkeypatch.setenv("SUDO_USER", behind_sudo)

    actor = system_user()

    assert str(actor) == f"system:{name}"
    assert socket.gethostname() in actor.origin


async def test_entries_name_who_entered_them(desk: Desk) -> None:
    """The person at the desk; the relay itself where Kling's word charged."""
    tasks = desk.tasks
    await desk.act(
        lambda session, actor: add_quota(
            session, actor, "acme", amount_micros=9, reference="invoice 9", currency=CURRENCY
        ),
        Actor(ActorKind.SYSTEM, "bob"),
    )
    await desk.act(
        lambda session, actor: adjust_quota(
            session, actor, "acme", amount_micros=-9, reason="twice", currency=CURRENCY
        )
    )
    await desk.act(lambda session, actor: settle(session, actor, tasks.live, reason="seen"))
    await desk.act(lambda session, actor: refund(session, actor, tasks.charged, reason="black"))

    rows = await desk.rows(
        "SELECT kind, coalesce(task_id::text, reference, reason) AS of, actor FROM entries"
        " WHERE account_id = 1001 ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [
        ("topup", "opening", "system:ann"),
        ("topup", "invoice 1", "system:ann"),
        ("charge", str(tasks.charged), "relay"),
        ("charge", str(tasks.refunded), "relay"),
        ("refund", str(tasks.refunded), "system:ann"),
        ("topup", "invoice 9", "system:bob"),
        ("adjust", "twice", "system:ann"),
        ("charge", str(tasks.live), "system:ann"),
        ("refund", str(tasks.charged), "system:ann"),
    ]


async def test_events_of_tasks_name_whose_doing_they_are(desk: Desk) -> None:
    """What Kling said is the relay's; a settle, a release and an unflag are the person's."""
    tasks = desk.tasks
    await desk.act(lambda session, actor: settle(session, actor, tasks.live, reason="seen"))
    await desk.act(lambda session, actor: release(session, actor, tasks.unsent, reason="gone"))
    await desk.act(lambda session, actor: unflag(session, actor, tasks.flagged, reason=None))

    rows = await desk.rows("SELECT task_id, kind, actor FROM task_events ORDER BY task_id, id")
    assert [tuple(row) for row in rows] == [
        (tasks.live, "callback", "relay"),
        (tasks.live, "operator.succeed", "system:ann"),
        (tasks.unsent, "operator.refused", "system:ann"),
        (tasks.charged, "callback", "relay"),
        (tasks.refunded, "callback", "relay"),
        (tasks.flagged, "operator.unflagged", "system:ann"),
    ]


async def test_a_tenant_that_acts_is_named_with_its_request(desk: Desk) -> None:
    """A replay of its own delivery; another tenant's is nothing that it could name."""
    acme = Actor(ActorKind.TENANT, "acme", origin="api", request_id="request-11")
    row = await desk.row("SELECT webhook_id FROM deliveries WHERE id = $1", desk.deliveries["dead"])

    await desk.act(
        lambda session, actor: replay_delivery(session, actor, row["webhook_id"], tenant_id=1),
        acme,
    )

    change = (await desk.changes())[-1]
    assert (change["actor"], change["origin"]) == ("tenant:acme", "api")
    assert (change["act"], change["request_id"]) == ("delivery.replay", "request-11")
