"""Kling 4.0 (docs/kling-api.md 17): input seconds with a floor, and no id or URL of ours."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from relay.desk.tasks import release
from relay.kling.alike import Reading
from relay.kling.body import read_fields
from relay.kling.endpoints import BY_NAME
from relay.kling.transport import MaybeSent, Reply
from relay.kling.wanted import Wanted, read_wanted
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.pricing.edit import set_price
from relay.pricing.quote import UnitPrices, cost_micros, needs_deduction, quote
from relay.sandbox.settings import SandboxSettings
from tests.relay_app import SANDBOX_URL, Relay, running_relay
from tests.sandbox.bodies import URL
from tests.tasks.looking import let_time_pass, look_now
from tests.tasks.scripted_kling import Call, ScriptedKling, success
from tests.waiting import wait_until

QUOTA_MICROS = 100_000_000
UNIT = 140_000
OMNI, TEXT = "/omni-video/kling-4.0", "/text-to-video/kling-4.0"
QUICK = SandboxSettings(task_seconds=0.05, public_url=SANDBOX_URL)
SILENT = PriceRow("2.0-omni-video", model="kling-4.0", video_input=False, units=Decimal(1))
WITH_VIDEO = PriceRow(
    "2.0-omni-video",
    model="kling-4.0",
    video_input=True,
    units=Decimal("1.4"),
    input_floor=Decimal(2),
)
FEATURE = {"type": "feature_video", "url": URL, "id": "f"}
ELEMENT = {"type": "element", "element_id": "829836802793406551", "id": "e"}
WORDS = {"type": "prompt", "text": "a fox"}


async def opened(relay: Relay, *rows: PriceRow) -> Any:
    await relay.add_channel()
    async with relay.sessions.begin() as session:
        for row in rows:
            await set_price(session, row)
    return await relay.add_tenant(quota_micros=QUOTA_MICROS)


def wanted(model: str, *contents: dict[str, Any], seconds: object = 5) -> tuple[Wanted, ...]:
    body = {"contents": [WORDS, *contents], "settings": {"duration": seconds}}
    fields = read_fields(json.dumps(body).encode())
    return read_wanted(BY_NAME["2.0-omni-video"], Reading(fields), model=model).wanted


async def test_it_is_sold_once_it_has_a_price(books: str) -> None:
    """404/1203 as shipped; then held and charged by output seconds, up to its 30."""
    async with running_relay(books, sandbox=QUICK, with_callbacks=True) as relay:
        token = await opened(relay)
        body = {"prompt": "a fox", "settings": {"duration": 30}}

        refused = await relay.submit(token, body, path=TEXT)
        row = PriceRow("text-to-video", model="kling-4.0", units=Decimal(1))
        async with relay.sessions.begin() as session:
            await set_price(session, row)
        relay.read_anew()
        taken = await relay.submit(token, body, path=TEXT)

        assert (refused.status_code, refused.json()["code"]) == (404, 1203)
        assert taken.status_code == 200, taken.text
        assert await relay.account() == (QUOTA_MICROS, 30 * UNIT)
        await wait_until(lambda: _all_ended(relay))
        assert await relay.account() == (QUOTA_MICROS - 30 * UNIT, 0)


async def _all_ended(relay: Relay) -> bool:
    await look_now(relay)
    return not await relay.rows("SELECT 1 FROM tasks WHERE hold_ended_at IS NULL")


async def test_input_seconds_are_held_at_the_longest_and_charged_as_they_were(books: str) -> None:
    """A feature video of 12 s beside 5 s of output: held 30 + 5 at 1.4, charged 12 + 5.

    Kling is given neither our id nor a callback URL, nor the tenant's; the tenant sees its own id,
    and is called back: the end is found by looks.
    """
    async with running_relay(books, sandbox=QUICK, with_callbacks=True) as relay:
        token = await opened(relay, SILENT, WITH_VIDEO)
        options = {"external_task_id": "mine", "callback_url": "https://tenant.example/done"}
        words = {"type": "prompt", "text": "a fox [seconds 12]"}
        body = {"contents": [words, FEATURE], "settings": {"duration": 5}, "options": options}

        response = await relay.submit(token, body, path=OMNI)

        assert response.status_code == 200, response.text
        assert response.json()["data"]["external_id"] == "mine"
        assert await relay.account() == (QUOTA_MICROS, 35 * 196_000)
        await wait_until(lambda: _all_ended(relay))
        assert await relay.account() == (QUOTA_MICROS - 17 * 196_000, 0)
        (delivery,) = await relay.rows("SELECT body FROM deliveries WHERE state <> 'superseded'")
        assert json.loads(delivery["body"])["external_id"] == "mine"
        shown = await relay.client.get(
            "/tasks?external_task_ids=mine", headers={"Authorization": f"Bearer {token.api_key}"}
        )
        assert shown.json()["data"][0]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("model", "contents", "seconds", "held_s"),
    [
        ("kling-4.0", [FEATURE], 5, 35),
        ("kling-4.0", [FEATURE, FEATURE], 5, 65),
        ("kling-4.0", [FEATURE], 30, 60),
        ("kling-4.0", [ELEMENT], 10, 20),  # twice the output is more than 8 s of input
        ("kling-4.0", [ELEMENT], 3, 11),
        ("kling-4.0", [{"type": "base_video", "url": URL}], 5, 60),
        ("kling-4.0", [{"type": "Feature_Video"}], 5, 60),
        ("kling-4.0", [], "long", 30),
        ("kling-4.0-flash", [], "long", 20),
        ("Kling-4.0", [FEATURE], 5, 35),
        ("kling-3.0-omni", [FEATURE], 5, 10),  # the floor is the row's, the seconds the model's
    ],
)
def test_the_worst_case_is_held(
    model: str, contents: list[dict[str, Any]], seconds: object, held_s: int
) -> None:
    """Of what Kling may bill: 30 s a video, 8 s an element, and twice the output at least."""
    prices = UnitPrices(UNIT, 3_500)
    holds = [
        quote(
            WITH_VIDEO if one.video_input else SILENT,
            one,
            prices=prices,
            tenant_multiplier=Decimal(1),
        ).hold_micros
        for one in wanted(model, *contents, seconds=seconds)
    ]

    unit_micros = 196_000 if contents else UNIT
    assert max(holds) == held_s * unit_micros


def test_a_fixed_price_of_input_and_output_is_the_quote() -> None:
    """How long the input was is Kling's to know, and a fixed price does not ask it."""
    row = msgspec.structs.replace(
        WITH_VIDEO, kind=PriceKind.FIXED, units=None, amount_micros=100_000, per=Per.SECOND
    )
    (base,) = wanted("kling-4.0", {"type": "base_video", "url": URL})
    made = quote(row, base, prices=UnitPrices(UNIT, 3_500), tenant_multiplier=Decimal(1))

    assert made.hold_micros == 6_000_000
    assert not needs_deduction(made)
    assert cost_micros(made, deduction=None, result_seconds=Decimal(5)) == 6_000_000


async def test_without_a_verdict_it_is_left_to_a_person(books: str) -> None:
    """Flagged once and released by no clock: Kling cannot be asked, and is not; a person can."""

    async def answer(call: Call) -> Reply:
        if call.method == "POST":
            raise MaybeSent("ReadTimeout")
        return success({"id": "k9", "status": "succeeded"})

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling, lost_looks=1, lost_after_s=0) as relay:
        token = await opened(relay, SILENT)
        body = {"contents": [WORDS], "options": {"external_task_id": "mine", "x": 1}}

        response = await relay.submit(token, body, path=OMNI)
        for _ in range(3):
            await let_time_pass(relay, hours=48)
            await look_now(relay)
        asked = await relay.client.get(
            "/tasks?external_task_ids=mine", headers={"Authorization": f"Bearer {token.api_key}"}
        )

        assert response.status_code == 504
        assert kling.calls[0].body == {"contents": [WORDS], "options": {"x": 1}}
        assert len(kling.calls) == 1, "Kling cannot know it by our id"
        assert (asked.status_code, asked.json()["code"]) == (503, 5001)
        task = await relay.row("SELECT * FROM tasks")
        assert (task["state"], task["is_flagged"], task["next_look_at"]) == ("unknown", True, None)
        kinds = await relay.rows("SELECT kind FROM task_events WHERE kind = 'task.untraceable'")
        assert len(kinds) == 1
        assert await relay.account() == (QUOTA_MICROS, 5 * UNIT)
        assert await relay.act(release, task["id"])
        assert await relay.account() == (QUOTA_MICROS, 0)


async def test_a_crash_between_hold_and_send_is_left_to_a_person_too(books: str) -> None:
    """Nobody can say whether it was sent: the row is pending, past its deadline."""
    async with running_relay(books, sandbox=QUICK, lost_looks=1, lost_after_s=0) as relay:
        token = await opened(relay, SILENT)
        await relay.submit(token, {"contents": [WORDS]}, path=OMNI)
        await relay.rows(
            "UPDATE tasks SET state = 'pending', kling_id = NULL, next_look_at = now()"
        )

        await look_now(relay)

        task = await relay.row("SELECT state, is_flagged FROM tasks")
        assert tuple(task) == ("pending", True)
        await relay.rows("UPDATE tasks SET is_flagged = false")
        assert await relay.act(release, (await relay.row("SELECT id FROM tasks"))["id"])
