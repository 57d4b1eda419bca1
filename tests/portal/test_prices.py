"""What a tenant is shown of its prices, and what a create would hold."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from relay.kling.endpoints import ENDPOINTS
from relay.pricing.book import Multiplier, Per, PriceKind, PriceRow
from relay.pricing.edit import set_multiplier, set_price
from tests.portal.visiting import visiting
from tests.relay_app import CLIP, Relay, bearer, fixture_relay

COUNTED = {"duration": "5", "images": "2", "sound": "on", "voice": "on", "input": "on"}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url, portal=True) as running:
        await running.add_channel()
        yield running


async def set_for(relay: Relay, *what: PriceRow | Multiplier) -> None:
    async with relay.sessions.begin() as session:
        for one in what:
            await (
                set_price(session, one)
                if isinstance(one, PriceRow)
                else set_multiplier(session, one)
            )
    relay.read_anew()


async def test_prices_are_listed_as_programs_are_told_them(relay: Relay) -> None:
    """Each with what it is per; found by words, with what is coming and when."""
    token = await relay.add_tenant()
    await relay.add_tenant("other")
    other = await relay.row("SELECT id FROM tenants WHERE name = 'other'")
    flat = PriceRow(
        endpoint="effects",
        kind=PriceKind.FIXED,
        per=Per.TASK,
        amount_micros=1_234_567,
        tenant_id=other["id"],
        source="tests",
    )
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await set_for(relay, flat, Multiplier(times=Decimal("1.5"), valid_from=tomorrow))
    told = (await relay.client.get("/relay/prices", headers=bearer(token))).json()["data"]
    async with visiting(relay) as ann, visiting(relay, "other") as bob:
        page = await ann.read("/prices")
        assert page.count('<td data-label="Price"') == len(told["prices"]) + sum(
            len(one["prices"]) + len(one["ended"]) for one in told["coming"]
        )
        assert "in 24 hours" in page or "in 1 day" in page
        assert "0.126" in page, "a second of std, half as dear again"
        found = await ann.read("/prices", endpoint="text2video", q="V3 std")
        shown = found.partition("What holds now")[2]
        assert ("0.084" in shown, "pro" in shown.partition("<tbody>")[2].split("</table>")[0]) == (
            *(True, False),
        )
        assert "No price fits" in await ann.read("/prices", q="nothing such")
        assert "1.234567" not in page
        assert "1.234567" in await bob.read("/prices")


async def test_a_create_is_calculated_as_it_would_be_held(relay: Relay) -> None:
    """To the micro, with why, and with the call that asks for the same; nothing is made."""
    token = await relay.add_tenant()
    asked = {"endpoint": "text2video", "model": "kling-v3", "mode": "std", "duration": "5"}
    async with visiting(relay) as ann:
        page = await ann.read("/prices/calculator", **asked)
        assert '<span class="money">0.42</span>' in page
        assert "0.6 units \u00d7 0.14 USD" in page
        assert '"path":"/v1/videos/text2video"' in page
        assert "/relay/quote" in page
        with_sound = await ann.read("/prices/calculator", **asked, sound="on")
        assert '<span class="money">0.42</span>' not in with_sound
        wrong = await ann.read("/prices/calculator", **asked | {"duration": "x"})
        assert ('id="duration-error"' in wrong, "At most" in wrong) == (True, False)
        assert "Choose one of the list" in await ann.read("/prices/calculator", endpoint="x")
        nothing = await ann.read("/prices/calculator", endpoint="effects")
        assert "Not available here" in nothing or "At most" in nothing
    assert await relay.rows("SELECT 1 FROM tasks") == []
    held = await relay.submit(token, CLIP)
    assert held.status_code == 200
    assert (await relay.account())[1] == 420_000


async def test_every_endpoint_that_costs_can_be_calculated(relay: Relay) -> None:
    """With all that its form offers: a figure, or the words of the refusal that a create has."""
    await relay.add_tenant()
    async with visiting(relay) as ann:
        page = await ann.read("/prices/calculator")
        offered = [one for one in ENDPOINTS if f'<option value="{one.name}"' in page]
        assert {"text2video", "omni-video", "text-to-video", "generations"} <= {
            one.name for one in offered
        }
        figures: dict[str, Any] = {}
        for one in offered:
            given = {"endpoint": one.name, **COUNTED}
            page = await ann.read("/prices/calculator", **given)
            if "{model}" in one.path:
                assert "Choose a model" in page
                model = page.partition('name="model"')[2].split('<option value="')[2].split('"')[0]
                page = await ann.read("/prices/calculator", **given, model=model)
            figures[one.name] = ("At most" in page, "Not available here" in page)
        assert {name for name, found in figures.items() if not any(found)} == set()
        assert sum(found[0] for found in figures.values()) > len(figures) / 2
