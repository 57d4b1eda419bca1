"""T2: what Kling answers reaches the tenant in Kling's bytes, but for ids and costs."""

import json
from decimal import Decimal

import pytest

from relay.kling.transport import Reply
from relay.sandbox.settings import DEFAULT_ACCOUNT
from tests.proxy.scripted_kling import (
    TASK_ID,
    Asked,
    ScriptedKling,
    accepts_then,
    always,
    created,
    envelope,
    reply,
)
from tests.relay_app import CLIP, PUBLIC_URL, TEXT2VIDEO, Relay, bearer, running_relay

RESULT = (
    b'"task_result":{"videos":[{"id":"829836802793406551","url":"https:\\/\\/cdn\\u002ekling/a.mp4",'
    b'"duration":"5.0","size":18446744073709551616123,"x":1e400}],"tomorrow":{ "a" : [1.0, 2] }}'
)


def ended(external_id: str, *, deduction: bytes = b'"final_unit_deduction":"3.0"') -> bytes:
    """A query's object after the end, with odd spellings, big numbers and unknown fields."""
    return (
        b'{"task_id":"%b", "task_status":"succeed","task_status_msg":"",'
        b'"task_info":{"tomorrow":1.50,'
        b'"external_task_id":"%b"},%b,%b,"brand_new":{"n":5.0,"big":829836802793406551},'
        b'"watermark_info":{"enabled":false},"created_at":1722769557708,"updated_at":1722769557708}'
        % (TASK_ID.encode(), external_id.encode(), RESULT, deduction)
    )


async def ask(relay: Relay, *, external_id: str | None = None) -> bytes:
    """Submit a clip, let a tenant's GET find its end, and return that reply."""
    token = await relay.add_tenant()
    await relay.add_channel()
    body = CLIP | ({} if external_id is None else {"external_task_id": external_id})
    submitted = await relay.submit(token, body)
    assert submitted.status_code == 200, submitted.text
    response = await relay.get(token, submitted.json()["data"]["task_id"])
    assert response.status_code == 200, response.text
    return response.content


async def test_a_create_reply_keeps_its_bytes(database_url: str) -> None:
    """Kling's request_id, unknown fields and spellings; the tenant's id stands where ours stood."""

    async def answer(asked: Asked) -> Reply:
        data = created(asked.injected_id)[:-1] + b',"big":829836802793406551,"f":1.0,"e":"\\u00e9"}'
        return reply(
            200,
            b'{"code":0,"message":"SUC\\u0043EED","request_id":"kling-1","new":[1E2],"data":%b}'
            % data,
        )

    async with running_relay(database_url, transport=ScriptedKling(answer)) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        response = await relay.submit(token, CLIP | {"external_task_id": 'my "é" /id'})

    assert response.content == (
        b'{"code":0,"message":"SUC\\u0043EED","request_id":"kling-1","new":[1E2],"data":'
        + created("my-id").replace(
            b'"my-id"', json.dumps('my "é" /id', ensure_ascii=False).encode()
        )[:-1]
        + b',"big":829836802793406551,"f":1.0,"e":"\\u00e9"}}'
    )


@pytest.mark.parametrize("external_id", [None, ""])
async def test_a_tenant_without_an_external_id_sees_none(
    database_url: str, external_id: str | None
) -> None:
    """Absent or "": `task_info` is `{}`, as Kling sends it; when created and when queried."""
    kling = ScriptedKling(accepts_then(created))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        body = CLIP if external_id is None else CLIP | {"external_task_id": external_id}

        first = await relay.submit(token, body)
        second = await relay.get(token, TASK_ID)

    assert b'"task_info":{},' in first.content
    assert b'"task_info":{},' in second.content
    assert kling.creates[0].injected_id.encode() not in first.content + second.content


async def test_a_query_at_list_price_is_kling_s_own_object(database_url: str) -> None:
    """Every value's bytes, `final_unit_deduction` "3.0" included; only the id is the tenant's."""
    async with running_relay(
        database_url, transport=ScriptedKling(accepts_then(ended)), refresh_s=0.0
    ) as relay:
        answer = await ask(relay, external_id="t-1")

    assert (
        answer.partition(b'"data":')[2]
        == ended("t-1").replace(b'", "task_status', b'","task_status') + b"}"
    )


async def test_a_multiplier_shows_the_tenants_own_deduction(database_url: str) -> None:
    """At 1.2 times the list price Kling's 3 units are 3.6 units and 0.504 USD of the tenant's."""
    costs = (
        b'"final_unit_deduction":"3",'
        b'"final_balance_deduction":{"quota":"0","list_price":"0.00","x":1}'
    )
    kling = ScriptedKling(accepts_then(lambda external_id: ended(external_id, deduction=costs)))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.rows("INSERT INTO multipliers (multiplier) VALUES (1.2)")
        relay.read_anew()
        submitted = await relay.submit(token)
        assert submitted.status_code == 200

        data = (await relay.get(token, TASK_ID)).json()["data"]
        listed = (await relay.client.get(TEXT2VIDEO, headers=bearer(token))).json()["data"]

        assert await relay.account() == (10_000_000 - 504_000, 0)
    assert data["final_unit_deduction"] == "3.6"
    assert data["final_balance_deduction"] == {"quota": "0.504", "list_price": "0.504", "x": 1}
    assert listed == [data]


async def test_costs_that_kling_did_not_send_are_not_made_up(database_url: str) -> None:
    """A success without deduction fields shows none, though the quote is charged."""
    kling = ScriptedKling(accepts_then(lambda external_id: ended(external_id, deduction=b'"z":0')))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        data = json.loads(await ask(relay))["data"]

        assert (await relay.task(TASK_ID))["charged_micros"] == 420_000
    assert not {"final_unit_deduction", "final_balance_deduction", "billing"} & set(data)


async def test_billing_and_owner_become_the_tenants(database_url: str) -> None:
    """One entry of the first one's shape with the total; `owned_by` is the tenant's id."""
    costs = (
        b'"billing":[{"charge_type":"unit","amount":"2","package_type":"video","k":9007199254740993},'
        b'{"charge_type":"unit","amount":"1","package_type":"video"}],"owned_by":"reseller-9"'
    )
    kling = ScriptedKling(accepts_then(lambda external_id: ended(external_id, deduction=costs)))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        answer = await ask(relay)
        tenant_id = (await relay.row("SELECT id FROM tenants"))["id"]

    assert (
        b'"billing":[{"charge_type":"unit","amount":"3","package_type":"video","k":9007199254740993}],'
        b'"owned_by":"%d"' % tenant_id
    ) in answer


SECRETS = (DEFAULT_ACCOUNT.access_key, DEFAULT_ACCOUNT.secret_key, DEFAULT_ACCOUNT.api_key)
UNLISTED = (
    b'"user_id":"RESELLER","unit_deduction":"RESELLER","a":[{"billing":["RESELLER"],"cost":'
    b'"RESELLER"}],"note":"' + " ".join(SECRETS).encode() + b'"'
)
"""Fields of tomorrow: whose account, what it costs, and its keys in a text."""


def tells_of_the_reseller(text: str) -> bool:
    return "RESELLER" in text or any(secret in text for secret in SECRETS)


async def test_no_unlisted_field_tells_of_the_reseller(database_url: str) -> None:
    """Create, query, list, callback to the tenant and stored events' keys: T4, whatever comes."""

    def queried(external_id: str) -> bytes:
        return ended(external_id, deduction=b'"final_unit_deduction":"3",' + UNLISTED)

    async def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            external_ids.append(asked.injected_id)
            own_words = b',"bearer":"%b",%b}' % (asked.bearer.encode(), UNLISTED)
            data = created(asked.injected_id)[:-1] + own_words
            return reply(200, b'{"code":0,%b,"data":[%b]}' % (UNLISTED, data))
        return envelope(queried(external_ids[0]))

    external_ids: list[str] = []
    kling = ScriptedKling(answer)
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        body = CLIP | {"external_task_id": "t-1", "callback_url": "https://t.example/h"}

        made = await relay.submit(token, body)
        found = await relay.get(token, TASK_ID)
        listed = await relay.client.get(TEXT2VIDEO, headers=bearer(token))
        told = await relay.rows("SELECT body FROM deliveries")
        kept = await relay.rows("SELECT convert_from(body, 'utf8') AS body FROM task_events")

    assert made.json()["data"][0]["task_info"] == {"external_task_id": "t-1"}
    shown = [made.text, found.text, listed.text, *(row["body"] for row in told)]
    assert [text for text in shown if tells_of_the_reseller(text)] == []
    assert len(shown) > 3
    assert made.json()["data"][0]["bearer"] == "***"
    assert found.json()["data"]["note"] == made.json()["data"][0]["note"] == "*** *** ***"
    assert not any(secret in str(row["body"]) for row in kept for secret in SECRETS)


async def test_a_free_call_tells_nothing_of_the_reseller(database_url: str) -> None:
    """What Kling might take for it, and whose it says that it is: nothing was taken, and it is the
    tenant's."""
    said = (
        b'{"session_id":"1","final_unit_deduction":"3","owned_by":"RESELLER",%b,'
        b'"billing":[{"charge_type":"unit","amount":"3","package_type":"video"}]}'
    )
    kling = ScriptedKling(always(envelope(said % UNLISTED)))
    async with running_relay(database_url, transport=kling) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        tenant_id = (await relay.row("SELECT id FROM tenants"))["id"]

        free = await relay.submit(
            token, {"video_url": "u"}, path="/v1/videos/multi-elements/init-selection"
        )

    assert not tells_of_the_reseller(free.text)
    data = free.json()["data"]
    assert (data["owned_by"], data["final_unit_deduction"]) == (str(tenant_id), "0")
    assert [entry["amount"] for entry in data["billing"]] == ["0"]


async def test_no_callback_of_klings_tells_of_the_reseller(database_url: str) -> None:
    """What it repeats is in the tenant's GET, its list and its own callback, until Kling is asked:
    without keys, costs and owners."""
    kling = ScriptedKling(accepts_then(created))
    async with running_relay(
        database_url, transport=kling, with_callbacks=True, refresh_s=3600.0
    ) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        hook = {"callback_url": "https://t.example/h"}
        assert (await relay.submit(token, CLIP | hook)).status_code == 200
        await relay.rows("UPDATE tasks SET refresh_at = now()")
        words = f"no {' '.join(SECRETS)}"
        told = b'{"task_id":"%b","task_status":"processing","task_status_msg":"%b",%b}'

        answered = await relay.call_back(
            TASK_ID, told % (TASK_ID.encode(), words.encode(), UNLISTED)
        )
        found = await relay.get(token, TASK_ID)
        listed = await relay.client.get(TEXT2VIDEO, headers=bearer(token))
        bodies = await relay.rows("SELECT body FROM deliveries ORDER BY id")

    assert answered.status_code == 200
    assert found.json()["data"]["task_status_msg"] == "no *** *** ***"
    assert found.json()["data"]["a"] == [{}]
    shown = [found.text, listed.text, *(row["body"] for row in bodies)]
    assert [text for text in shown if tells_of_the_reseller(text)] == []
    assert "no *** *** ***" in shown[-1]


@pytest.mark.parametrize(("status", "code"), [(400, 1301), (200, 1201), (429, 1303), (500, 5000)])
async def test_no_refusal_tells_of_the_reseller(database_url: str, status: int, code: int) -> None:
    """Nor a listed cost field in one: nothing was made."""
    body = b'{"code":%d,"message":"no","data":{"final_unit_deduction":"RESELLER",%b},%b}' % (
        code,
        UNLISTED,
        UNLISTED,
    )
    kling = ScriptedKling(always(reply(status, body)))
    async with running_relay(database_url, transport=kling) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        paid = await relay.submit(token)
        free = await relay.submit(
            token, {"video_url": "u"}, path="/v1/videos/multi-elements/init-selection"
        )
        read = await relay.client.get("/v1/general/presets-voices", headers=bearer(token))

    for answer in (paid, free, read):
        assert answer.json()["code"] in (code, 5001)
        assert not tells_of_the_reseller(answer.text)


async def test_a_list_keeps_kling_s_bytes_too(database_url: str) -> None:
    """The stored object, with the tenant's id; a bare array as Kling's."""
    async with running_relay(
        database_url, transport=ScriptedKling(accepts_then(ended)), refresh_s=0.0
    ) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token, CLIP | {"external_task_id": "t-1"})
        one = (await relay.get(token, TASK_ID)).content.partition(b'"data":')[2][:-1]

        listed = await relay.client.get(TEXT2VIDEO, headers=bearer(token))

    assert listed.content.partition(b'"data":')[2] == b"[%b]}" % one
    assert listed.json()["code"] == 0
    assert listed.json()["message"] == "SUCCEED"


REFUSALS = {
    "content": (
        400,
        b'{ "code" : 1301, "message":"\\u5185\\u5bb9", "request_id":"k-1","extra":[1.0] }',
    ),
    "parameter": (400, '{"code":1201,"message":"prompt é 🦊 too long","request_id":"k"}'.encode()),
    "no such model": (404, b'{"code":1203,"message":"model","request_id":"k","data":null}'),
    "policy": (400, b'{"code":1300,"message":"","request_id":"k"}\n'),
    "code in 200": (200, b'{"code":1300,"message":"x","request_id":"k"}'),
    "rate": (429, b'{"code":1302,"message":"slow","request_id":"k"}'),
    "concurrency": (429, b'{"code":1303,"message":"parallel","request_id":"k", "n":1e3}'),
    "internal error": (500, b'{"code":5000,"message":"oops","request_id":"k", "n":1e3}'),
    "maintenance": (503, b'{"code":5001,"message":"back \\u0061t 9","request_id":"k"}'),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_passes_as_it_is(database_url: str, name: str) -> None:
    """Status and bytes of Kling's, whatever their spelling; Retry-After too."""
    status, body = REFUSALS[name]
    kling = ScriptedKling(always(Reply(status, "application/json", body, retry_after="7")))
    async with running_relay(database_url, transport=kling) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        response = await relay.submit(token)

        held = (await relay.account())[1]
    assert (response.status_code, response.content) == (status, body)
    assert response.headers["content-type"] == "application/json"
    if status < 500:
        assert response.headers["retry-after"] == "7"
    assert held == (420_000 if status >= 500 else 0)


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_a_refusal_that_quotes_what_we_injected_quotes_the_tenants(
    database_url: str, status: int
) -> None:
    """Our callback URL is a credential; the tenant's own values stand there, as JSON strings."""

    async def answer(asked: Asked) -> Reply:
        sent = json.loads(asked.body)
        code = {400: 1301, 429: 1303, 500: 5000}[status]
        quoted = f"{sent['callback_url']} or {sent['callback_url'].replace('/', chr(92) + '/')}"
        return reply(
            status,
            f'{{"code":{code},"message":"bad {quoted} of {sent["external_task_id"]}"}}'.encode(),
        )

    kling = ScriptedKling(answer)
    async with running_relay(database_url, transport=kling, with_callbacks=True) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        response = await relay.submit(
            token, CLIP | {"external_task_id": 'my "id"', "callback_url": "https://t.example/h"}
        )

    hook = "https://t.example/h"
    assert response.json()["message"] == f'bad {hook} or {hook} of my "id"'
    assert PUBLIC_URL not in response.text


async def test_a_status_kling_never_had_is_not_shown_before_kling_says_so(
    database_url: str,
) -> None:
    """A query's reply about another task is kept for the operator and shown to nobody."""
    other = created("someone-elses", task_id="867283741759111999")
    async with running_relay(
        database_url, transport=ScriptedKling(accepts_then(lambda _: other)), refresh_s=0.0
    ) as relay:
        data = json.loads(await ask(relay, external_id="t-1"))["data"]

        row = await relay.task(TASK_ID)
    assert data["task_id"] == TASK_ID
    assert data["task_info"] == {"external_task_id": "t-1"}
    assert row["is_flagged"]


async def test_deduction_is_shown_with_four_places_at_most(database_url: str) -> None:
    """Kling's 2.9 units at a multiplier of 1.0333: 419,520 micros are 2.9966 units."""
    costs = b'"final_unit_deduction":"2.9"'
    kling = ScriptedKling(accepts_then(lambda external_id: ended(external_id, deduction=costs)))
    async with running_relay(database_url, transport=kling, refresh_s=0.0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.rows("INSERT INTO multipliers (multiplier) VALUES (1.0333)")
        relay.read_anew()
        await relay.submit(token)

        shown = (await relay.get(token, TASK_ID)).json()["data"]["final_unit_deduction"]
        charged = (await relay.task(TASK_ID))["charged_micros"]

    assert charged == 419_520  # 2.9 x 140,000 x 1.0333 = 419,519.8
    assert shown == "2.9966"
    assert Decimal(shown) == round(Decimal(charged) / 140_000, 4)


def test_the_crafted_envelope_is_kling_s() -> None:
    """The tests above compare with what `envelope` makes, so it is JSON of Kling's shape."""
    assert set(json.loads(envelope(created("x")).body)) == {"code", "message", "request_id", "data"}
