"""Scopes of keys, and what a tenant does about its keys itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from relay.desk.errors import Busy, NotPossible, Unusable
from relay.desk.gates import GateChanges, set_gates
from relay.desk.limits import set_limits
from relay.desk.notices import NewPlace, add_notice_place
from relay.desk.tokens import change_token, revoke_token
from relay.limits.tables import LimitKind
from relay.money import decimal_of
from relay.notices.tables import PlaceKind
from relay.settings import Settings
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.admin.office import act
from tests.limits.limiting import read_tokens_anew
from tests.proxy.keys import NOT_FOR_IT, asked, data, key, made_by
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, TEXT2VIDEO, Relay, fixture_relay
from tests.waiting import wait_until

PAGE = {"start_time": 1, "end_time": 4102444800000}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_channel()
        yield running


async def test_a_scope_is_what_a_key_may_do(relay: Relay) -> None:
    """Of Kling's paths, of a tenant's own ones, and of what is about keys."""
    call = await relay.add_tenant()
    read, manage = await key(relay, Scope.READ), await key(relay, Scope.MANAGE)
    task = (await data(relay, call, "POST", TEXT2VIDEO, CLIP))["task_id"]
    looks = [f"{TEXT2VIDEO}/{task}", TEXT2VIDEO, "/relay/prices", "/relay/queue"]
    keys = [("GET", "/relay/tokens"), ("POST", "/relay/tokens"), ("POST", "/relay/webhook-secret")]
    keys += [("POST", f"/relay/tokens/{call.id}/{what}") for what in ("revoke", "rotate", "limits")]
    acts = [("POST", TEXT2VIDEO), ("POST", f"/relay/tasks/{task}/cancel")]

    for token in (call, read, manage):
        assert [(await asked(relay, token, "GET", path))[1] for path in looks] == [0] * 4
    for method, path in keys:
        assert (await asked(relay, call, method, path))[:2] == NOT_FOR_IT
        assert (await asked(relay, read, method, path))[:2] == NOT_FOR_IT
    for method, path in acts:
        assert (await asked(relay, read, method, path, CLIP))[:2] == NOT_FOR_IT
        assert (await asked(relay, manage, method, path, CLIP))[:2] != NOT_FOR_IT
    written = await relay.row("SELECT count(*) FROM tasks")
    assert written[0] == 2
    assert len(await data(relay, manage, "GET", "/relay/tokens")) == 3


async def test_a_call_key_is_not_told_what_other_keys_spent(relay: Relay) -> None:
    """By Kling's own account calls; what was sold, and its own charges, it sees."""
    call = await relay.add_tenant()
    other, manage = await key(relay), await key(relay, Scope.MANAGE)
    for token in (call, other):
        task = (await data(relay, token, "POST", TEXT2VIDEO, CLIP))["task_id"]

        async def has_ended(task: str = task) -> bool:
            told = await data(relay, call, "GET", f"{TEXT2VIDEO}/{task}")
            return bool(told["task_status"] == "succeed")

        await wait_until(has_ended)

    async def names(token: Any) -> list[str]:
        told = await data(relay, token, "POST", "/account/billing/balance", PAGE)
        return sorted(line["api_key_name"] for line in told["result"]["detail"])

    assert await names(call) == ["", f"token-{call.id}"]
    assert await names(other) == ["", f"token-{other.id}"]
    assert await names(manage) == ["", f"token-{call.id}", f"token-{other.id}"]


async def test_a_key_makes_nothing_that_it_has_not_and_takes_it_along(relay: Relay) -> None:
    """Groups and tests as its own; revoked with all that came of it, and nothing else."""
    call = await relay.add_tenant()
    await relay.add_tenant("other")
    stranger = await key(relay, name="other")
    top = await key(relay, Scope.MANAGE, groups=["eu", "us"])
    child = await made_by(relay, top, scope="manage")
    grandchild = await made_by(relay, child, groups=["eu"], queue="5m")
    for_tests = await made_by(relay, await key(relay, Scope.MANAGE, is_test=True))
    rows = {row["id"]: row for row in await relay.rows("SELECT * FROM tokens")}
    wrong: list[Any] = [{"groups": ["asia"]}, {"scope": "all"}, {"queue": "soon"}, {"quota": 1}, []]
    refused = [await asked(relay, child, "POST", "/relay/tokens", body) for body in wrong]

    assert rows[child.id]["groups"] == ["eu", "us"]
    assert (rows[grandchild.id]["groups"], rows[grandchild.id]["queue_s"]) == (["eu"], 300)
    assert (rows[for_tests.id]["is_test"], rows[for_tests.id]["groups"]) == (True, None)
    assert [answer[:2] for answer in refused] == [(400, 1201)] * 5
    assert [answer[2].split(":")[0] for answer in refused] == [
        *("groups", "scope", "queue", "body", "body")
    ]
    await relay.rows("UPDATE tenants SET groups = '{eu}' WHERE name = 'other'")
    as_its_tenant = await key(relay, Scope.MANAGE, "other")
    beyond = await asked(relay, as_its_tenant, "POST", "/relay/tokens", {"groups": ["us"]})
    assert beyond[:2] == (400, 1201)
    await made_by(relay, as_its_tenant, groups=["eu"])
    for foreign in (stranger.id, "none", "9" * 30):
        answer = await asked(relay, top, "POST", f"/relay/tokens/{foreign}/revoke")
        assert answer[:2] == (400, 1201)
    assert (await data(relay, top, "POST", f"/relay/tokens/{child.id}/revoke"))["revoked_at"]
    live = await relay.rows("SELECT id FROM tokens WHERE revoked_at IS NULL")
    assert {row["id"] for row in live} >= {call.id, top.id, stranger.id, for_tests.id}
    assert not {row["id"] for row in live} & {child.id, grandchild.id}
    noted = await relay.rows(
        "SELECT actor, subject_id FROM changes WHERE act = 'token.revoke' ORDER BY subject_id"
    )
    assert [tuple(row) for row in noted] == [
        ("tenant:acme", child.id),
        ("tenant:acme", grandchild.id),
    ]


async def test_a_key_is_bounded_as_the_one_that_made_it(relay: Relay) -> None:
    """By its limits, each counted for itself, and by what lets it in; so are those it makes."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    async with relay.sessions.begin() as session:
        allowed = {LimitKind.DAY: CLIP_MICROS, LimitKind.IN_FLIGHT: 3}
        await set_limits(session, ACTOR, allowed, token_id=top.id, zone=UTC)
    await relay.rows("UPDATE tokens SET models = '{kling-v3}' WHERE id = $1", top.id)
    child = await made_by(relay, top, scope="manage")
    grandchild = await made_by(relay, child)

    taken = [await asked(relay, grandchild, "POST", TEXT2VIDEO, CLIP) for _ in range(2)]
    other = await asked(relay, grandchild, "POST", TEXT2VIDEO, CLIP | {"model_name": "kling-v2-6"})

    assert [answer[:2] for answer in taken] == [(200, 0), (429, 1102)]
    assert other[:2] == NOT_FOR_IT
    rows = await relay.rows("SELECT token_id, kind, allowed, taken FROM limits ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [
        (id_, kind, amount, taken if id_ == grandchild.id else 0)
        for id_ in (top.id, child.id, grandchild.id)
        for kind, amount, taken in (("day", CLIP_MICROS, CLIP_MICROS), ("in_flight", 3, 1))
    ]
    assert (await relay.audit()).ok
    told = await data(relay, grandchild, "GET", "/relay/limits")
    seen = await data(relay, top, "GET", "/relay/limits")
    assert [
        (one["token_id"], one["kind"], one["allowed"], one["taken"], one["left"])
        for one in sorted(told["limits"], key=lambda one: str(one["kind"]))
    ] == [
        (grandchild.id, "day", decimal_of(CLIP_MICROS), decimal_of(CLIP_MICROS), "0"),
        (grandchild.id, "in_flight", 3, 1, 2),
    ]
    assert [gate["models"] for gate in told["let_in"]] == [["kling-v3"]]
    assert len(seen["limits"]) == 6


async def test_a_key_bounds_others_by_no_more_than_its_own(relay: Relay) -> None:
    """Not itself, nor what it came of; what a limit has seen is told at once."""
    call = await relay.add_tenant()
    await relay.add_tenant("other")
    stranger = await key(relay, name="other")
    top = await key(relay, Scope.MANAGE)
    async with relay.sessions.begin() as session:
        own = {LimitKind.MONTH: 3 * CLIP_MICROS}
        await set_limits(session, ACTOR, own, token_id=top.id, zone=UTC)
    child = await made_by(relay, top, scope="manage", name="the site's")
    await data(relay, call, "POST", TEXT2VIDEO, CLIP)

    async def put(by: Any, of: int, **limits: Any) -> tuple[int, int, Any]:
        return await asked(relay, by, "POST", f"/relay/tokens/{of}/limits", limits)

    told = await put(top, call.id, month=decimal_of(2 * CLIP_MICROS), in_flight=1)
    seen = {one["kind"]: (one["allowed"], one["taken"]) for one in told[2]["limits"]}
    assert seen == {
        "month": (decimal_of(2 * CLIP_MICROS), decimal_of(CLIP_MICROS)),
        "in_flight": (1, 1),
    }
    assert (await asked(relay, call, "POST", TEXT2VIDEO, CLIP))[:2] == (429, 1303)
    gone = await put(top, call.id, in_flight=None)
    assert [one["kind"] for one in gone[2]["limits"]] == ["month"]

    before = await relay.rows("SELECT id, token_id, kind, allowed FROM limits ORDER BY id")
    beyond = decimal_of(3 * CLIP_MICROS + 1)
    for by, of, limits in (
        (top, top.id, {"day": "1"}),
        (child, top.id, {"month": "1"}),
        (child, child.id, {"month": "1"}),
        (top, child.id, {"month": beyond}),
        (top, child.id, {"month": None}),
        (top, stranger.id, {"day": "1"}),
        (top, child.id, {"day": "-1"}),
        (top, child.id, {"day": "0.0000001"}),
        (top, child.id, {"day": "1e400000"}),
        (top, child.id, {"day": "NaN"}),
        (top, child.id, {"in_flight": 1.5}),
        (top, child.id, {"year": "1"}),
    ):
        assert (await put(by, of, **limits))[:2] == (400, 1201), limits
    rows = await relay.rows("SELECT id, token_id, kind, allowed FROM limits ORDER BY id")
    assert rows == before
    assert [one["name"] for one in await data(relay, top, "GET", "/relay/tokens")][-1:] == [
        "the site's"
    ]


async def test_a_key_gives_new_keys_to_itself_and_to_what_it_made(relay: Relay) -> None:
    """The others would be known to whoever found it, and outlive it."""
    call = await relay.add_tenant()
    await relay.add_tenant("other")
    stranger = await key(relay, name="other")
    top = await key(relay, Scope.MANAGE)
    child = await made_by(relay, top, scope="manage")

    async def rotate(by: Any, of: int, **body: Any) -> tuple[int, int, Any]:
        return await asked(relay, by, "POST", f"/relay/tokens/{of}/rotate", body)

    for by, of, body in (
        (top, call.id, {}),
        (child, top.id, {}),
        (top, stranger.id, {}),
        (top, child.id, {"keep_hours": 721}),
        (top, child.id, {"keep_hours": -1}),
    ):
        assert (await rotate(by, of, **body))[:2] == (400, 1201)
    changed = await relay.rows("SELECT id FROM changes WHERE act = 'token.rotate'")
    assert changed == []
    told = (await rotate(top, child.id, keep_hours=0))[2]
    new = IssuedToken(tenant="acme", **{**told, "scope": Scope(told["scope"])})
    assert new.id == child.id

    async def is_known(token: Any) -> bool:
        return (await asked(relay, token, "GET", "/relay/tokens"))[0] == 200

    async def has_changed_over() -> bool:
        return [await is_known(token) for token in (child, new)] == [False, True]

    await wait_until(has_changed_over)
    assert (await rotate(new, new.id))[:2] == (200, 0)

    async def is_one_of_before() -> bool:
        return (await asked(relay, new, "POST", "/relay/notices"))[:2] == NOT_FOR_IT

    # What was replaced is taken still, and makes nothing that would outlive it.
    await wait_until(is_one_of_before)
    for path in ("tokens", *(f"tokens/{new.id}/{one}" for one in ("rotate", "revoke"))):
        assert (await asked(relay, new, "POST", f"/relay/{path}"))[:2] == NOT_FOR_IT
    assert await is_known(new)


async def test_a_key_that_is_being_revoked_leaves_no_successor(relay: Relay) -> None:
    """Twenty times, it makes keys as it is revoked, and they make others: none lives on."""
    await relay.add_tenant()
    for _ in range(20):
        top = await key(relay, Scope.MANAGE)
        child = await key(relay, Scope.MANAGE, made_by_id=top.id)

        async def revoke(token_id: int = top.id) -> None:
            async with relay.sessions.begin() as session:
                await revoke_token(session, ACTOR, token_id)

        made = [key(relay, made_by_id=one.id) for one in (top, child, top, child)]
        await asyncio.gather(*made[:2], revoke(), *made[2:], return_exceptions=True)

    alive = await relay.rows(
        "SELECT c.id FROM tokens c JOIN tokens m ON m.id = c.made_by_id"
        " WHERE c.revoked_at IS NULL AND m.revoked_at IS NOT NULL"
    )
    assert alive == []


async def test_where_a_key_had_its_tenant_told_ends_with_it(relay: Relay) -> None:
    """Not when it is rotated, nor what others added, nor the limits that it set: they name it.

    A place that is being added while its key is revoked ends too.
    """
    call = await relay.add_tenant()
    manage, other = await key(relay, Scope.MANAGE), await key(relay, Scope.MANAGE)
    place = {"kind": "wecom", "to": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=abc"}
    made = await data(relay, manage, "POST", "/relay/notices", place)
    kept = await data(relay, other, "POST", "/relay/notices", place)
    below = await data(relay, manage, "POST", "/relay/tokens", {"scope": "manage"})
    await data(relay, manage, "POST", f"/relay/tokens/{below['id']}/limits", {"month": "5"})
    await data(relay, manage, "POST", f"/relay/tokens/{other.id}/limits", {"in_flight": 5})
    await data(relay, other, "POST", f"/relay/tokens/{call.id}/limits", {"in_flight": 4})
    await data(relay, manage, "POST", f"/relay/tokens/{manage.id}/rotate", {})
    read_tokens_anew(relay)

    rotated = (await data(relay, other, "GET", "/relay/notices"))["places"]
    async with relay.sessions.begin() as adding:
        wanted = NewPlace(kind=PlaceKind.WECOM, to=place["to"])
        await add_notice_place(
            *(adding, ACTOR, "acme", wanted, relay.keys),
            made_by_id=below["id"],
            settings=Settings(),
        )

        async def revoked() -> None:
            async with relay.sessions.begin() as session:
                await revoke_token(session, ACTOR, manage.id, is_leaked=True)

        revoking = asyncio.create_task(revoked())
        await wait_until(lambda: is_locked_out(relay, revoking))
    try:
        await revoking
    except Busy:  # this machine took longer than a lock is waited for
        await revoked()

    assert {one["id"]: one["made_by"] for one in rotated} == {
        made["id"]: manage.id,
        kept["id"]: other.id,
    }
    places = (await data(relay, other, "GET", "/relay/notices"))["places"]
    assert [one["id"] for one in places] == [kept["id"]]
    limits = (await data(relay, other, "GET", "/relay/limits"))["limits"]
    assert {(one["token_id"], one["set_by"]) for one in limits} == {
        *((below["id"], manage.id), (other.id, manage.id), (call.id, other.id))
    }
    removed = await relay.rows(
        "SELECT actor, reason FROM changes WHERE act = 'notice.remove' ORDER BY id"
    )
    assert {(row["actor"], row["reason"]) for row in removed} == {(str(ACTOR), "leaked")}
    with pytest.raises(NotPossible, match="it was revoked"):
        async with relay.sessions.begin() as session:
            await add_notice_place(
                *(session, ACTOR, "acme", wanted, relay.keys),
                made_by_id=below["id"],
                settings=Settings(),
            )


async def is_locked_out(relay: Relay, waiting: asyncio.Task[None]) -> bool:
    """Whether it waits for somebody, or has waited long enough."""
    locked = await relay.rows(
        "SELECT 1 FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return waiting.done() or bool(locked)


async def test_a_tenant_makes_its_webhook_secret(relay: Relay) -> None:
    await relay.add_tenant()
    manage = await key(relay, Scope.MANAGE)

    first = await data(relay, manage, "POST", "/relay/webhook-secret")
    again = await asked(relay, manage, "POST", "/relay/webhook-secret")
    second = await data(relay, manage, "POST", "/relay/webhook-secret", {"rotate": True})

    assert (first["secret"][:6], first["replaced_signs_until"]) == ("whsec_", None)
    assert again[:2] == (400, 1201)
    assert second["secret"] != first["secret"]
    assert second["replaced_signs_until"] is not None


async def test_a_key_is_changed_by_what_made_it(relay: Relay) -> None:
    """Its scope and bounds, never beyond its maker's; not by itself, a sibling or a stranger."""
    await relay.add_tenant()
    await relay.add_tenant("other")
    top, sibling = await key(relay, Scope.MANAGE), await key(relay, Scope.MANAGE)
    stranger = await key(relay, Scope.MANAGE, "other")
    gates = GateChanges(
        models=["kling-v3", "kling-v2-6"], expires_at=datetime(2100, 1, 1, tzinfo=UTC)
    )
    await act(relay, set_gates, gates, token_id=top.id)
    await act(relay, change_token, top.id, groups=["eu", "us"])
    made = await data(relay, top, "POST", "/relay/tokens", {"scope": "manage", "name": "ci"})
    path, row = f"/relay/tokens/{made['id']}", "SELECT * FROM tokens WHERE id = $1"
    before = await relay.row(row, made["id"])
    child = msgspec.convert(made | {"tenant": "acme"}, IssuedToken)
    read_tokens_anew(relay)

    for token, body, code in (
        (child, {"name": "mine"}, 1201),
        (sibling, {"name": "mine"}, 1201),
        (stranger, {"name": "mine"}, 1201),
        (top, {"name": "x", "models": ["kling-v1"]}, 1201),
        (top, {"models": None}, 1201),
        (top, {"expires_at": None}, 1201),
        (top, {"expires_at": 4_200_000_000_000}, 1201),
        (top, {"expires_at": -1}, 1201),
        (top, {"groups": None}, 1201),
        (top, {"groups": ["asia"]}, 1201),
        (top, {"endpoints": ["nothing"]}, 1201),
        (top, {"queue": "long"}, 1201),
        (top, {"scope": "all"}, 1201),
        (top, {"quota": 1}, 1201),
    ):
        assert (await asked(relay, token, "POST", path, body))[1] == code, body
    assert await relay.row(row, made["id"]) == before
    own = f"/relay/tokens/{top.id}"
    assert (await asked(relay, top, "POST", own, {"models": None}))[:2] == (400, 1201)

    wanted = {
        "scope": "read",
        "name": "reports",
        "models": ["kling-v3"],
        "groups": ["eu"],
        "queue": "5m",
        "expires_at": 4_000_000_000_000,
        "addresses": ["127.0.0.1", "::1"],
    }
    shown = await data(relay, top, "POST", path, wanted)
    again = await data(relay, top, "POST", path, wanted)
    part = await data(relay, top, "POST", path, {"addresses": None})

    for name, value in (wanted | {"addresses": ["127.0.0.1/32", "::1/128"]}).items():
        assert shown["queue_s" if name == "queue" else name] == (300 if name == "queue" else value)
    assert again == shown
    assert part == shown | {"addresses": None}
    noted = await relay.rows(
        "SELECT act FROM changes WHERE subject_id = $1 AND act <> 'token.issue' ORDER BY id",
        made["id"],
    )
    assert [one["act"] for one in noted] == [
        *("token.change", "token.change", "gate.set", "gate.set")
    ]
    await act(relay, revoke_token, top.id)
    assert (await relay.row(row, made["id"]))["revoked_at"] is not None


async def test_a_key_is_changed_to_no_more_than_any_that_it_came_of(relay: Relay) -> None:
    """One between them gives it new keys, and is shown them: it would have more by them."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    narrow = {"scope": "manage", "models": ["kling-v3"]}
    middle = await data(relay, top, "POST", "/relay/tokens", narrow)
    between = msgspec.convert(middle | {"tenant": "acme"}, IssuedToken)
    last = await data(relay, between, "POST", "/relay/tokens", narrow)
    path = f"/relay/tokens/{last['id']}"
    read_tokens_anew(relay)

    for wider in (None, ["kling-v3", "kling-v2-6"]):
        assert (await asked(relay, top, "POST", path, {"models": wider}))[1] == 1201
    await act(relay, change_token, middle["id"], groups=["eu"])
    for wider in (None, ["us"]):
        assert (await asked(relay, top, "POST", path, {"groups": wider}))[1] == 1201
    assert (await data(relay, top, "POST", path, {"groups": ["eu"]}))["groups"] == ["eu"]


async def test_a_webhook_secret_is_replaced_once(relay: Relay) -> None:
    """Asked again, or by two at once, it is refused: what the first one left signing goes on."""
    await relay.add_tenant()
    manage, path = await key(relay, Scope.MANAGE), "/relay/webhook-secret"
    await data(relay, manage, "POST", path)
    since = (await data(relay, manage, "GET", path))["issued_at"]

    of_first = {"rotate": True, "issued_at": since}
    answers = await asyncio.gather(
        *(asked(relay, manage, "POST", path, of_first) for _ in range(3))
    )
    kept = await relay.rows("SELECT id FROM webhook_secrets ORDER BY id")
    for body in ({"rotate": True}, of_first, {"rotate": True, "issued_at": -1}):
        assert (await asked(relay, manage, "POST", path, body))[:2] == (400, 1201)

    assert sorted(answer[0] for answer in answers) == [200, 400, 400]
    assert await relay.rows("SELECT id FROM webhook_secrets ORDER BY id") == kept
    assert len(kept) == 2
    now = {"rotate": True, "issued_at": (await data(relay, manage, "GET", path))["issued_at"]}
    await data(relay, manage, "POST", path, now)
    left = await relay.rows("SELECT id FROM webhook_secrets ORDER BY id")
    assert (left[0], len(left)) == (kept[1], 2)


async def test_a_key_says_what_those_that_it_makes_are_let_in_for(relay: Relay) -> None:
    """Until when, from where, for what: no more than it is let in for itself, and nothing else."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    far, near = 4_000_000_000_000, 3_900_000_000_000
    gates: dict[str, Any] = {
        "expires_at": far,
        "addresses": ["127.0.0.0/8", "10.1.0.0/16", "fd00::/8"],
        "endpoints": ["text2video", "image2video"],
        "models": ["Kling-V3", "kling-v2-6"],
    }
    child = await made_by(relay, top, scope="manage", name="ci", **gates)
    shown = (await data(relay, top, "GET", "/relay/tokens"))[-1]
    assert {name: shown[name] for name in gates} == {
        "expires_at": far,
        "addresses": gates["addresses"],
        "endpoints": ["image2video", "text2video"],
        "models": ["kling-v2-6", "kling-v3"],
    }
    made = await relay.row("SELECT count(*) FROM tokens")

    wrongs: list[dict[str, Any]] = [
        {"expires_at": far + 1},
        {"expires_at": 1},
        {"expires_at": 10**18},
        {"addresses": ["10.0.0.0/8"]},
        {"addresses": ["::/0"]},
        {"addresses": ["10.1.2.3", "192.168.0.1"]},
        {"addresses": []},
        {"addresses": ["somewhere"]},
        {"endpoints": ["text2video", "lip-sync"]},
        {"endpoints": ["no-such"]},
        {"models": ["kling-v1"]},
    ]
    for wrong in wrongs:
        status, code, told = await asked(relay, child, "POST", "/relay/tokens", wrong)
        assert (status, code, told.split(":")[0]) == (400, 1201, *wrong), told
    assert await relay.row("SELECT count(*) FROM tokens") == made

    less = {"expires_at": near, "addresses": ["10.1.7.0/24"], "models": ["KLING-V3"]}
    grandchild = await made_by(relay, child, **less)
    row = await relay.row("SELECT * FROM tokens WHERE id = $1", grandchild.id)
    assert (row["addresses"], row["models"]) == (["10.1.7.0/24"], ["kling-v3"])
    assert row["endpoints"] == ["image2video", "text2video"], "as its maker's"
    noted = await relay.rows("SELECT actor, subject_id FROM changes WHERE act = 'gate.set'")
    assert [tuple(row) for row in noted] == [
        ("tenant:acme", child.id),
        ("tenant:acme", grandchild.id),
    ]


async def test_a_key_says_nothing_of_what_it_came_of(relay: Relay) -> None:
    """Nor of itself, of another's, or of its tenant."""
    call = await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    child = await made_by(relay, top, scope="manage")
    nothing = GateChanges(models=["kling-v3"])

    for whose in ({"token_id": one} for one in (call.id, top.id, child.id)):
        with pytest.raises(Unusable):
            await act(relay, set_gates, nothing, **whose, by_id=child.id)
    with pytest.raises(Unusable):
        await act(relay, set_gates, nothing, tenant="acme", by_id=child.id)
    await act(relay, set_gates, nothing, token_id=child.id, by_id=top.id)
    await act(relay, set_gates, nothing, token_id=top.id)
    with pytest.raises(Unusable):
        await act(relay, set_gates, GateChanges(models=None), token_id=child.id, by_id=top.id)


async def test_it_is_told_since_when_callbacks_are_signed(relay: Relay) -> None:
    """Not by what: that is told once."""
    await relay.add_tenant()
    await relay.add_tenant("other")
    manage, other = await key(relay, Scope.MANAGE), await key(relay, Scope.MANAGE, "other")
    nothing = {"issued_at": None, "replaced_signs_until": None}
    path = "/relay/webhook-secret"
    assert await data(relay, manage, "GET", path) == nothing

    await data(relay, manage, "POST", path)
    first = await data(relay, manage, "GET", path)
    made = await data(relay, manage, "POST", path, {"rotate": True})
    second = await data(relay, manage, "GET", path)

    assert (first["issued_at"] > 0, first["replaced_signs_until"]) == (True, None)
    assert second["replaced_signs_until"] == made["replaced_signs_until"]
    assert second["issued_at"] >= first["issued_at"]
    assert await data(relay, other, "GET", path) == nothing
    for scope in (Scope.CALL, Scope.READ):
        assert (await asked(relay, await key(relay, scope), "GET", path))[:2] == NOT_FOR_IT
