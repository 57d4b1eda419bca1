"""What sub-tenants are told: their own things at their own prices, and nothing of the account."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from relay.desk.prices import set_price
from relay.desk.tasks import refund
from relay.desk.tenants import TenantChanges, change_tenant
from relay.notices.events import Event
from relay.notices.tables import PlaceKind
from relay.notices.tell import tell
from relay.pricing.book import Per, PriceKind, PriceRow
from tests.limits.limiting import limit, read_tokens_anew, sub_tenant
from tests.notices.conftest import Told
from tests.notices.mail_server import subject_of, text_of
from tests.notices.test_news import spend
from tests.relay_app import ACTOR, CLIP_MICROS


async def test_a_sub_tenant_is_told_of_nothing_that_its_parent_has(told: Told) -> None:
    """Quota that runs out and statements are the parent's; limits, prices and refunds are its own.

    Its parent is told of its account, as if it had spent it itself.
    """
    relay = told.relay
    await relay.add_tenant(quota_micros=2 * CLIP_MICROS)
    token = await sub_tenant(relay, "eu", "1.3")
    await limit(relay, tenant="acme/eu", month=1_000_000)
    read_tokens_anew(relay)
    _, place = [
        await told.add(PlaceKind.MAIL, "a@b.test", tenant=name, low_micros=2 * CLIP_MICROS - 1)
        for name in ("acme", "acme/eu")
    ]
    at = datetime.now(UTC) + timedelta(days=3)
    row = PriceRow(
        "text2video",
        model="kling-v3",
        mode="std",
        sound=False,
        kind=PriceKind.UNITS,
        per=Per.SECOND,
        units=Decimal("0.7"),
        valid_from=at,
    )

    kling_id = await spend(relay, token)
    async with relay.sessions.begin() as session:
        await set_price(session, ACTOR, row, tenant="acme")
        task_id = (await relay.task(kling_id))["id"]
        await refund(session, ACTOR, task_id, reason="black", amount_micros=100_000)
        account_id = (await relay.row("SELECT max(id) AS id FROM accounts"))["id"]
        await tell(session, Event.STATEMENT_READY, "2026-11", {}, account_id=account_id)
    relay.read_anew()
    await told.look()

    rows = await relay.rows("SELECT place_id, event, data FROM notices WHERE state = 'due'")
    own = {row["event"]: json.loads(row["data"]) for row in rows if row["place_id"] == place.id}
    others = {row["event"] for row in rows if row["place_id"] != place.id}
    assert own.keys() == {Event.PRICE_CHANGING, Event.TASK_REFUNDED}
    assert others == {Event.PRICE_CHANGING, Event.QUOTA_LOW, Event.STATEMENT_READY}
    assert (own["task.refunded"]["amount"], own["task.refunded"]["charged"]) == ("0.13", "0.416")
    (price,) = own["price.changing"]["prices"]
    assert (price["price_before"], price["price"]) == ("0.1092", "0.1274")


async def test_another_factor_is_told_by_what_it_comes_to(told: Told) -> None:
    """To whom it is for, at once and by the ratio alone: by 1.4 for 1.3 all is 7.6923 % higher.

    Neither the factor nor its parent's name is said; what no ratio shows, and the same one again,
    is no news; and no look takes it for a change that was withdrawn.
    """
    relay = told.relay
    await relay.add_tenant()
    await sub_tenant(relay, "eu", "1.3")
    for name in ("acme", "acme/eu"):
        await told.add(PlaceKind.MAIL, f"ops@{name[-2:]}.test", tenant=name)

    async def set_factor(factor: str) -> None:
        changes = TenantChanges(resale=Decimal(factor))
        async with relay.sessions.begin() as session:
            await change_tenant(session, ACTOR, "acme/eu", changes)

    await set_factor("1.3")
    await set_factor("1.4")
    relay.read_anew()
    await told.look()
    (row,) = await relay.rows("SELECT data FROM notices")
    await told.send()
    (mail,) = told.mail.messages
    await set_factor("700")
    await set_factor("700.000001")
    await told.send()  # what waits together is one message
    await set_factor("350")
    await told.send()

    data = json.loads(row["data"])
    del data["at"]
    assert data == {"prices": [], "ended": [], "changes": None, "times": "1.076923"}
    assert told.mail.to[0] == "ops@eu.test"
    assert subject_of(mail) == "All prices are 7.6923 % higher"
    first, *_, foot = text_of(mail).splitlines()
    assert first.endswith("on, all of your prices are 7.6923 % higher.")
    assert foot.startswith("Account: eu. Time: ")
    said = f"{row['data']} {mail}{text_of(mail)}"
    assert not [word for word in ("acme", "1.4", "1.3") if word in said]
    assert [subject_of(one) for one in told.mail.messages[1:]] == [
        "All prices are 49900 % higher",
        "All prices are 50 % lower",
    ]
