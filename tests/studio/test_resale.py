"""A sub-tenant at the studio's paths: in its own prices throughout, and never in its parent's."""

import json
import re

from tests.limits.limiting import sub_tenant
from tests.relay_app import Relay, bearer
from tests.studio.asking import ended, make

BODY = {"capability": "text_to_video", "input": {"prompt": "a fox"}}
PARENTS = re.compile(r'"0\.(21|63)"|\b0\.(21|63) USD')
"""Amounts of one such clip, and of three, that its parent pays."""


async def test_a_sub_tenants_run_is_quoted_capped_and_told_in_its_own_prices(
    studio: Relay,
) -> None:
    """Three clips of 0.21 at a factor of 1.5: 0.945, of which its parent's account pays 0.63."""
    await studio.add_tenant("resells")
    token = await sub_tenant(studio, "eu", "1.5", parent="resells")

    async def get(path: str) -> str:
        answer = await studio.client.get(f"/api/kling/{path}", headers=bearer(token))
        assert answer.status_code == 200, answer.text
        return answer.text

    quote = await make(studio, token, "variants/quote", BODY | {"cap": "0.944"})
    low = await make(studio, token, "variants", BODY | {"cap": "0.944"})
    made = await make(studio, token, "variants", BODY | {"cap": "0.945"})
    seen = await ended(studio, token, made.json()["task_id"])
    told = [await get(path) for path in ("ai-tasks", "templates")]
    told.append(await get(f"ai-task/{seen['task_id']}"))
    offered = json.loads(await get("capabilities"))["capabilities"]
    account = await studio.account("resells")
    await studio.rows(
        "UPDATE accounts SET quota_micros = 629999 WHERE id ="
        " (SELECT account_id FROM tenants WHERE name = 'resells')"
    )
    poor = await make(studio, token, "variants", BODY)
    await studio.rows(
        "UPDATE accounts SET quota_micros = $1 WHERE id ="
        " (SELECT account_id FROM tenants WHERE name = 'resells')",
        account[0],
    )

    assert quote.json()["total"] == "0.945"
    assert offered[0]["name"] == "text_to_video"
    assert offered[0]["price"] == "0.315"
    assert [step["price"] for step in quote.json()["steps"]] == ["0.315"] * 3
    assert quote.json()["is_within_cap"] is False
    assert (low.status_code, low.json()["error_code"]) == (403, 1103)
    assert made.status_code == 200, made.text
    assert (seen["status"], seen["quote"], seen["charged"]) == ("completed", "0.945", "0.945")
    assert seen["input_params"]["cap"] == "0.945"
    assert account == (10_000_000 - 630_000, 0)
    assert (poor.status_code, poor.json()["error_code"]) == (429, 1102)
    for answer in (quote.text, low.text, made.text, poor.text, *told):
        assert not PARENTS.search(answer), answer
    assert (await studio.audit()).ok
