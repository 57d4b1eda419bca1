"""The office's `/admin/v1`: who is let in, what is noted, and what the books say there."""

from typing import Any

import httpx

from relay.admin.gate import Gate
from relay.desk.operators import remove_operator, revoke_operator_token
from relay.networks import client_of
from relay.operators.tables import Role
from tests.admin.office import act, office, token_of
from tests.relay_app import CLIP_MICROS, Relay, fixture_relay
from tests.waiting import wait_until


async def refusals(relay: Relay) -> list[Any]:
    return await relay.rows("SELECT * FROM changes WHERE act = 'office.refuse' ORDER BY id")


def gate_of(relay: Relay) -> Gate:
    gate = relay.app.state.office.admin
    assert isinstance(gate, Gate)
    return gate


async def test_an_operator_comes_in_and_nobody_else_does(database_url: str) -> None:
    """All others hear one and the same 401, on any path; each address is noted once a minute."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        _, ann = await token_of(relay, "ann", Role.OWNER)
        _, bound = await token_of(relay, "bob", Role.OWNER, addresses=["10.9.0.0/16"])
        sue_id, sue = await token_of(relay, "sue", Role.OWNER)
        _, gone = await token_of(relay, "eve", Role.OWNER)

        me = (await client.get("/admin/v1/me", headers=ann)).json()
        assert (me["name"], me["role"], me["expires_at"]) == ("ann", "owner", None)
        assert {"act": "task.refund", "ceiling_micros": None, "left_micros": None} in me["may"]
        assert (await client.get("/admin/v1/me", headers=sue)).status_code == 200
        async with office(relay, "::ffff:10.9.1.1") as near:
            assert (await near.get("/admin/v1/me", headers=bound)).status_code == 200

        wrong = {"authorization": "Bearer ro-wrong"}
        twice = httpx.Headers([*ann.items(), *ann.items()])
        bodies = set()
        for headers in ({}, wrong, bound, twice, {"authorization": "Basic x"}):
            for path in ("/admin", "/admin/v1/me", "/admin/v1/nothing", "/admin/v1/openapi.json"):
                answer = await client.get(path, headers=headers)
                assert answer.status_code == 401
                assert answer.headers["content-type"] == "application/problem+json"
                bodies.add(answer.content)
        assert len(bodies) == 1
        assert len(await refusals(relay)) == 1

        await act(relay, revoke_operator_token, sue_id)
        await act(relay, remove_operator, "eve")
        for headers in (sue, gone):
            await wait_until(lambda: is_refused(client, headers))  # noqa: B023 (awaited here)
        (noted,) = await refusals(relay)
        assert (noted["actor"], noted["subject"], noted["origin"]) == (
            *("relay", "10.1.2.3", "10.1.2.3"),
        )


async def is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    return (await client.get("/admin/v1/me", headers=headers)).status_code == 401


async def test_twenty_wrong_tokens_in_a_minute_are_all(database_url: str) -> None:
    """Then that address waits, with a right token too; others do not, and it does not for ever."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        _, ann = await token_of(relay, "ann", Role.OWNER)
        now = [0.0]
        gate_of(relay)._wrong._clock = lambda: now[0]  # noqa: SLF001 (time is an argument)

        for number in range(20):
            now[0] = float(number)
            answer = await client.get("/admin/v1/me", headers={"authorization": "Bearer ro-x"})
            assert answer.status_code == 401
        blocked = await client.get("/admin/v1/me", headers=ann)
        async with office(relay, "10.1.2.4") as other:
            assert (await other.get("/admin/v1/me", headers=ann)).status_code == 200
        now[0] = 60.0
        again = await client.get("/admin/v1/me", headers=ann)

    assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "42")
    assert again.status_code == 200
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff") != client_of("2001:db8:0:1::1")


async def test_no_number_of_addresses_fills_the_journal(database_url: str) -> None:
    """Sixty refusals in a minute are noted, of whatever addresses; then as many again."""
    async with fixture_relay(database_url) as relay:
        now = [0.0]
        gate_of(relay)._office.refusals._clock = lambda: now[0]  # noqa: SLF001 (time is an argument)
        for number in range(70):
            async with office(relay, f"10.1.2.{number}") as client:
                await client.get("/admin")
        first = len(await refusals(relay))
        now[0] = 60.0
        async with office(relay) as client:
            await client.get("/admin")
        second = len(await refusals(relay))

    assert (first, second) == (60, 61)


async def test_the_books_are_read_by_whose_role_may(database_url: str) -> None:
    """Pages that join, sums as the command has them, 403 noted, and each error with its field."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_channel()
        token = await relay.add_tenant("acme", quota_micros=10 * CLIP_MICROS)
        await relay.add_tenant("beta")
        assert (await relay.submit(token)).status_code == 200
        _, ann = await token_of(relay, "ann", Role.FINANCE)
        _, sue = await token_of(relay, "sue", Role.SUPPORT)

        async def ask(path: str, headers: dict[str, str] = ann, **query: Any) -> Any:
            answer = await client.get(f"/admin/v1/{path}", headers=headers, params=query)
            return answer.status_code, answer.json()

        _, all_of_it = await ask("entries")
        _, page = await ask("entries", limit=1)
        _, rest = await ask("entries", limit=1, cursor=page["next_cursor"])
        assert page["entries"] + rest["entries"] == all_of_it["entries"]
        assert rest["next_cursor"] is all_of_it["next_cursor"] is None
        assert [one["tenant"] for one in all_of_it["entries"]] == ["beta", "acme"]
        _, mine = await ask("entries", sue, tenant="acme", kind="topup", topup="paid")
        assert [one["amount_micros"] for one in mine["entries"]] == [10 * CLIP_MICROS]
        _, usage = await ask("usage", by=["tenant", "model"])
        assert [(one["keys"], one["tasks"]) for one in usage["usage"]] == [
            ({"tenant": "acme", "model": "kling-v3"}, 1)
        ]

        status, told = await ask("usage", sue)
        assert (status, told["status"]) == (403, 403)
        (noted,) = await refusals(relay)
        assert (noted["subject_kind"], noted["subject"]) == ("operator", "sue")
        for path, query, field in (
            ("entries", {"limit": 0}, "limit"),
            ("entries", {"cursor": "x"}, "cursor"),
            ("entries", {"since": "2026-11-26T00:00:00"}, "since"),
            ("entries", {"kind": "gift"}, "kind"),
            ("usage", {"month": "2026-13"}, "month"),
            ("usage", {"to": "2026-11-01"}, "from"),
            ("usage", {"by": "colour"}, "by"),
        ):
            status, told = await ask(path, **query)
            assert (status, told["field"]) == (400, field), told
        status, told = await ask("entries", tenant="acmee")
        assert (status, told["field"]) == (404, "tenant")
        assert (await ask("nothing"))[0] == 404

        status, document = await ask("openapi.json")
        responses = document["paths"]["/admin/v1/usage"]["get"]["responses"]
        assert document["openapi"].startswith("3.1")
        assert set(responses) == {"200", "400", "401", "403", "404", "429", "500", "503"}
        for code, response in responses.items():
            media = {"application/problem+json"}
            if code == "200":
                media = {"application/json", "text/csv", "application/jsonl"}
            assert response["content"].keys() == media, code
