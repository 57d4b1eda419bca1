"""An operator's reasons are for operators: no tenant reads one, wherever it looks."""

from typing import Any

import pytest

from relay.desk.money import add_quota, adjust_quota
from relay.desk.tasks import TOLD_OF_RELEASED, TOLD_OF_SETTLED, refund, release, settle
from relay.sandbox.settings import SandboxSettings
from relay.tenants.tokens import IssuedToken
from tests.relay_app import ACTOR, CLIP, SANDBOX_URL, TEXT2VIDEO, Relay, bearer, running_relay

SLOW = SandboxSettings(task_seconds=600, public_url=SANDBOX_URL)
REASON = "supplier let us down, ticket 9"
HOOK = "https://acme.test/hook"
NEW = "/text-to-video/kling-3.0"
OLD = {**CLIP, "callback_url": HOOK, "external_task_id": "mine"}
TELL = 'Lost "on" our side'


async def everything(relay: Relay, token: IssuedToken, key: str) -> str:
    """All that a tenant can read of a task and of its account."""
    client, headers = relay.client, bearer(token)
    window = "start_time=1&end_time=4102444800000"
    paths = [
        *(f"/tasks?task_ids={key}", f"{TEXT2VIDEO}/{key}", f"/v1/videos/{key}", TEXT2VIDEO),
        *("/relay/deliveries", f"/account/costs?{window}"),
    ]
    read = [(await client.get(path, headers=headers)).text for path in paths]
    pages = ("/tasks", "/account/billing/package", "/account/billing/balance")
    read += [(await client.post(path, json={}, headers=headers)).text for path in pages]
    for row in await relay.rows("SELECT webhook_id FROM deliveries"):
        path = f"/relay/deliveries/{row['webhook_id']}"
        read.append((await client.get(path, headers=headers)).json()["data"]["body"])
    return "\n".join(read)


async def task_of(relay: Relay, token: IssuedToken, path: str) -> tuple[Any, str]:
    body = OLD if path == TEXT2VIDEO else {"prompt": "a fox", "options": {"callback_url": HOOK}}
    data = (await relay.submit(token, body, path=path)).json()["data"]
    key = str(data.get("task_id") or data["id"])
    return (await relay.task(key))["id"], key


@pytest.mark.parametrize("tell", [None, TELL])
async def test_no_tenant_reads_a_reason(books: str, tell: str | None) -> None:
    """Of releases, settles and refunds, of both generations, of what is corrected and topped up;
    each task says what the operator tells, or a neutral sentence, in GETs and callbacks alike."""
    words = {"reason": REASON} | ({"tell": tell} if tell else {})
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        async with relay.sessions.begin() as session:
            money: dict[str, Any] = {"amount_micros": 5, "currency": "USD"}
            await add_quota(session, ACTOR, "acme", reference=REASON, **money)
            await adjust_quota(session, ACTOR, "acme", reason=REASON, **money)
        for act, neutral in ((release, TOLD_OF_RELEASED), (settle, TOLD_OF_SETTLED)):
            for path in (TEXT2VIDEO, NEW):
                task_id, key = await task_of(relay, token, path)
                async with relay.sessions.begin() as session:
                    await act(session, ACTOR, task_id, **words)
                    if act is settle:
                        await refund(session, ACTOR, task_id, reason=REASON)

                read = await everything(relay, token, key)
                shown = (await relay.client.get(f"/v1/videos/{key}", headers=bearer(token))).json()
                data = shown["data"]
                body = await relay.row("SELECT body FROM deliveries ORDER BY id DESC LIMIT 1")

                assert "ticket 9" not in read
                assert data.get("task_status_msg", data.get("message")) == (tell or neutral)
                assert ("Lost" if tell else neutral) in body["body"]
                assert key in read
                await relay.rows("UPDATE tasks SET tenant_external_id = NULL")
        kept = await relay.rows("SELECT reason FROM changes WHERE subject_kind = 'task'")
        noted = await relay.rows("SELECT kind FROM task_events WHERE detail = $1", REASON)

        assert [row["reason"] for row in kept] == [REASON] * 6
        assert sorted(row["kind"] for row in noted) == [
            *["operator.failed"] * 2,
            *["operator.succeed"] * 2,
        ]
