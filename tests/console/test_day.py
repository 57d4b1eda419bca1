"""A whole day of an operator's, in a real browser, with real tasks of a sandbox's over sockets."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.sandbox.settings import DEFAULT_ACCOUNT
from tests.clones import cloned
from tests.console.browsing import PHONE, skip_without_browser
from tests.console.street import Street, open_street

skip_without_browser()

from playwright.async_api import expect  # noqa: E402 (not on every machine)

from tests.console.hands import (  # noqa: E402
    fill,
    fills_the_phone,
    fits_in_the_dark,
    follow,
    inside,
    is_done,
    log_out_and_press_back,
    press,
    tab_to,
)

STUCK = "a fox that takes its time [slow 600]"
AGED = "UPDATE tasks SET created_at = created_at - interval '1 day' WHERE id = $1"
CHANGES = "SELECT actor, act, subject, reason FROM changes ORDER BY id"


@pytest.fixture(scope="module")
async def street(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Street]:
    async with cloned(postgres_server, template) as url, open_street(url) as street:
        yield street


async def test_an_operators_day(street: Street) -> None:
    """From the one-time link of a first start to the log-out, each act as a person does it."""
    console, relay = street.console, street.relay
    async with console.page(enters=False) as page:
        await come_in(street, page)
        await add_channel(street, page)
        await set_price(page)
        api_key = await open_tenant(street, page)
        charged, stuck = await let_tasks_run(street, api_key)
        await see_to_what_waits(street, page, stuck)
        await answer_for(street, page, charged)
        await change_price(page)
        await mute_alert(street, page)
        await replay_callback(street, page)
        await do_the_money(street, page)
        await pause_and_resume(street, page, api_key)
        await look_back(page)
        await page.goto("/console/tasks")
        await log_out_and_press_back(page)
    assert console.wrongs == []
    assert (await relay.audit()).ok


async def come_in(street: Street, page: Any) -> None:
    key = await street.console._new_key()  # noqa: SLF001
    await page.goto(f"/console/enter?key={key}")
    await page.keyboard.press("Enter")  # its button has the focus
    await page.wait_for_url("**/console")
    await expect(page.locator("#steps")).to_have_text("A new relay: what to do next")
    await page.goto(f"/console/enter?key={key}")
    await press(page, "Enter")
    await expect(page.locator("h1")).to_have_text("This link is over")


async def add_channel(street: Street, page: Any) -> None:
    """Pressed twice, as impatient people do, it is added once; tested for free, tried for money."""
    await page.goto("/console")
    await follow(page, "Add it here")
    account = DEFAULT_ACCOUNT
    await fill(page, name="main", base_url=street.kling_url, access_key=account.access_key)
    await fill(page, secret_key=account.secret_key, api_key=account.api_key)
    await inside(page).get_by_role("button", name="Add it", exact=True).dblclick()
    await is_done(page)
    assert len(await street.relay.rows("SELECT 1 FROM channels")) == 1
    assert account.secret_key not in await page.content()
    await follow(page, "Test…")
    await press(page, "Test it")
    await is_done(page)
    await follow(page, "Back to the channel", "Try…")
    await fill(page, max_cost="1")
    await press(page, "Make a paid task")
    await is_done(page)
    await street.reads("SELECT 1 FROM trials WHERE ended_at IS NOT NULL AND failure IS NULL")
    await page.reload()
    await expect(page.locator("#main")).to_contain_text("as relied on")


async def set_price(page: Any, group: str = "film") -> None:
    """For a group that nobody stands in yet: what it changes is said before it is done."""
    await page.goto("/console/prices")
    await follow(page, "Set a price…")
    await fill(page, endpoint="text2video", way="amount", number="half", price_group=group)
    await press(page, "Show what it changes")
    await expect(page.locator("#number-error")).to_be_visible()
    await fill(page, number="0.5")
    await press(page, "Show what it changes")
    await expect(page.locator("#effect")).to_contain_text("Nobody notices")
    await press(page, "Set this price")
    await is_done(page)


async def change_price(page: Any) -> None:
    """Of whom, from what to what, and what of late would have come to, before it is saved."""
    await page.goto("/console/prices/set")
    await fill(page, endpoint="text2video", way="amount", number="0.6", price_group="film")
    await press(page, "Show what it changes")
    effect = page.locator("#effect")
    for told in ("Fox Films", "0.50", "0.60", "What was sold in the last"):
        await expect(effect).to_contain_text(told)
    await press(page, "Set this price")
    await is_done(page)


async def open_tenant(street: Street, page: Any) -> str:
    """With its sheet, and a second token; what it pays in is named before it is entered."""
    await page.goto("/console/tenants")
    await follow(page, "Open a tenant…")
    await fill(page, name="Fox Films", contact="fox@films.example", quota="20", price_group="film")
    await press(page, "Open it")
    await expect(page.locator("[role=status]")).to_contain_text("20")
    await inside(page).get_by_role("button", name=re.compile("^Open it with")).dblclick()
    await expect(page.locator("h1")).to_have_text("Opened Fox Films")
    assert street.public_url in await page.inner_text("pre")
    (key,) = re.findall(r"sk-[\w-]+", await page.inner_text("dl.facts"))
    await follow(page, "To the tenant", "Tokens", "Issue a token…")
    await fill(page, name="night shift")
    await press(page, "Issue it")
    await expect(page.locator("h1")).to_contain_text("Keys of token")
    assert len(await street.relay.rows("SELECT 1 FROM tenants")) == 1
    return str(key)


async def let_tasks_run(street: Street, api_key: str) -> tuple[str, str]:
    """One that is charged, one that fails, one whose callback nobody wants, one that hangs."""
    charged = await street.made(api_key, external_task_id="order-4711")
    failed = await street.made(api_key, prompt="a fox [fail]")
    stuck = await street.made(api_key, prompt=STUCK, external_task_id="order-slow")
    assert (await street.ended(charged))["charged_micros"] == 500_000
    assert (await street.ended(failed))["charged_micros"] is None
    street.hook.status = 410
    unheard = await street.made(api_key, external_task_id="order-unheard")
    await street.ended(unheard)
    await street.reads("SELECT 1 FROM deliveries WHERE state = 'dead'")
    street.hook.status = 200
    return charged, stuck


async def see_to_what_waits(street: Street, page: Any, stuck: str) -> None:
    """Home says what needs a person; a task that hangs is looked at, and settled by hand."""
    row = await street.relay.task(stuck)
    await street.relay.rows(AGED, row["id"])
    await page.goto("/console")
    needs = page.locator("#main")
    await expect(needs).to_contain_text("1 task is stuck or flagged")
    await follow(page, "1 task is stuck or flagged")
    await page.wait_for_url("**stuck=on")
    await page.locator("#list tbody a").first.click()
    await expect(page.locator("#drawer h1")).to_have_text(f"Task {row['id']}")
    await expect(page.locator("#drawer .timeline")).to_contain_text("Kling called back")
    await follow(page, "Settle…")
    await fill(page, reason="delivered", words="seen in Kling's console")
    await press(page, "Charge 0.50 USD")
    await is_done(page)
    row = await street.relay.task(stuck)
    assert (row["state"], row["charged_micros"]) == ("succeed", 500_000)


async def answer_for(street: Street, page: Any, charged: str) -> None:
    """ "What happened to my video, and why did it cost this?": found by any id, told, made good."""
    row = await street.relay.task(charged)
    for any_id in ("order-4711", row["request_id"], charged):
        await page.keyboard.press("/")
        await page.keyboard.type(any_id)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/console/tasks/{row['id']}")
        await page.goto("/console/tasks")
    await page.get_by_role("link", name=str(row["id"]), exact=True).click()
    drawer = page.locator("#drawer")
    for told in ("Created", "Held", "Submitted", "Kling called back", "Charged", "Why this price"):
        await expect(drawer).to_contain_text(told)
    await expect(drawer).to_contain_text("group film")
    await follow(page, "Refund…")
    await fill(page, amount="0.2", reason="quality", words="the fox has five legs")
    await press(page, re.compile(r"^Refund \d"))
    await inside(page).get_by_role("button", name="Refund 0.20 USD", exact=True).dblclick()
    await is_done(page)
    rows = await street.relay.rows("SELECT amount_micros FROM entries WHERE kind = 'refund'")
    assert [one["amount_micros"] for one in rows] == [200_000]


async def replay_callback(street: Street, page: Any) -> None:
    await page.goto("/console")
    await follow(page, re.compile(r"^\d callbacks? (was|were) given up"))
    await page.wait_for_url("**state=dead")
    await page.locator("#list tbody a").first.click()
    await expect(page.locator("#drawer .timeline")).to_contain_text("HTTP 410")
    told = str(await page.locator("#drawer [data-copy^='msg_']").first.get_attribute("data-copy"))
    await follow(page, "Send once more…")
    await fill(page, reason="not-told")
    await press(page, "Send once more")
    await is_done(page)
    await street.heard(told, times=2)


async def do_the_money(street: Street, page: Any) -> None:
    """A statement, an invoice with its file, a payment, and a code for somebody."""
    await page.goto("/console/tenants")
    await follow(page, "Fox Films", "Statement")
    await expect(page.locator("#main table").first).to_contain_text("Closing")
    async with page.expect_download() as loading:
        await follow(page, "Excel")
    assert (await (await loading.value).path()).stat().st_size > 0
    await page.goto("/console/money/invoices")
    await follow(page, "Whom they name, and what is due…")
    await fill(page, tenant="Fox Films")
    await press(page, "Go to it")
    await follow(page, "Say whom they name…")
    await fill(page, title="Fox Films Ltd", tax_id="91310000MA1K35")
    await press(page, "Save")
    await is_done(page)
    await press(page, "Ask for an invoice over what is chosen")
    await is_done(page)
    await follow(page, "It was made…")
    await fill(page, number="26317000000123456789")
    paper = {"name": "fapiao.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"}
    await page.set_input_files("#file", paper)
    await press(page, "Save")
    await is_done(page)
    await page.goto("/console/tenants")
    await follow(page, "Fox Films", "Top up…")
    await fill(page, kind="paid", amount="30", reference="26317000000123456789")
    await press(page, "Go on")
    await press(page, "Add 30.00 USD to Fox Films")
    await is_done(page)
    await page.goto("/console/money/codes")
    await follow(page, "Make codes…")
    await fill(page, name="spring", amount="5", count="1")
    await press(page, "Go on")
    await expect(page.locator("#expires_at-error")).to_be_visible()
    await page.get_by_label("They never expire").check()
    await press(page, "Go on")
    await press(page, "Make codes of 5.00 USD")
    (code,) = re.findall(r"(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}", await page.inner_text("#main"))
    await page.goto("/console/money/codes/redeem")
    await fill(page, tenant="Fox Films", code=code)
    await press(page, "Redeem it")
    await is_done(page)
    rows = await street.relay.rows("SELECT amount_micros FROM entries WHERE kind = 'topup'")
    assert [one["amount_micros"] for one in rows] == [20_000_000, 30_000_000, 5_000_000]


async def pause_and_resume(street: Street, page: Any, api_key: str) -> None:
    await page.goto("/console/pauses")
    await follow(page, "Pause creates…")
    await fill(page, reason="Kling is being repaired")
    await press(page, "Pause them")
    await expect(page.locator(".error, [role=alert]").first).to_be_visible()
    await page.get_by_label("Every create of everybody").check()
    await press(page, "Pause them")
    await is_done(page)
    for address in ("/console", "/console/tasks"):
        await page.goto(address)
        await expect(page.locator(".banner.warn").first).to_contain_text("Kling is being repaired")
    await street.refused(api_key)
    await page.goto("/console/pauses")
    await follow(page, "End it…")
    await press(page, "End it")
    await is_done(page)
    await street.taken(api_key)
    await expect(page.locator(".banner.warn")).to_have_count(0)


async def mute_alert(street: Street, page: Any) -> None:
    """What fires stands on Home; who has seen it says so, and it is silent for a while."""
    await street.relay.rows("UPDATE alert_rules SET checked_at = NULL")  # instead of a minute
    await street.relay.parts.loops.alerter.turn()
    await page.goto("/console")
    await follow(page, "Callbacks to a tenant were given up")
    await page.wait_for_url("**/console/alerts?state=firing#deliveries-dead")
    await follow(page, "Change or mute Callbacks to a tenant were given up")
    await press(page, "4 hours")
    await is_done(page)
    await expect(page.locator("#deliveries-dead")).to_contain_text("muted")


async def look_back(page: Any) -> None:
    """Who did what, and why."""
    await page.goto("/console/changes?act=task")
    whole = page.locator("#list")
    await expect(whole).to_contain_text(
        "The result is not what was asked for: the fox has five legs"
    )
    await expect(whole).to_contain_text("Kling delivered it: seen in Kling's console")
    await expect(whole).to_contain_text("system:ann")
    await page.locator("#list tbody a").first.click()
    await expect(page.locator("#drawer h1")).to_contain_text("task.refund")
    await page.keyboard.press("Escape")
    await expect(page.locator("#drawer h1")).to_have_count(0)


async def prepare(street: Street) -> str:
    """Have a channel, and a tenant with a task that was charged; return its key."""
    relay = street.relay
    if not await relay.rows("SELECT 1 FROM channels WHERE name = 'second'"):
        await relay.add_channel("second", base_url=street.kling_url)
    token = await relay.add_tenant(f"t{len(await relay.rows('SELECT 1 FROM tenants'))}")
    await street.ended(await street.made(token.api_key))
    return token.api_key


REFUNDS = "SELECT amount_micros FROM entries WHERE kind = 'refund' ORDER BY id DESC LIMIT 1"


async def test_on_a_phone_in_chinese_in_the_dark(street: Street) -> None:
    """By the menu behind its word, through a drawer that fills the screen, to a refund."""
    await prepare(street)
    console = street.console
    async with console.page(language="zh", scheme="dark", size=PHONE) as page:
        await page.locator("details.pages summary").click()
        await page.locator("details.pages").get_by_role("link", name="任务").click()
        await page.locator("#list tbody a").first.click()
        drawer = page.locator("#drawer")
        await expect(drawer.locator("h1")).to_contain_text("任务")
        await fills_the_phone(drawer)
        await drawer.locator(".close").click()
        await expect(drawer.locator("h1")).to_have_count(0)
        await page.locator("#list tbody a").first.click()
        await drawer.locator("a[href$='/refund']").click()
        await fill(page, amount="0.01", reason="goodwill")
        await inside(page).locator("button.main").click()
        await expect(inside(page).locator("button.main")).to_contain_text("0.01")
        await inside(page).locator("button.main").click()
        await is_done(page)
        await fits_in_the_dark(page)
        await page.goto("/console/tasks")
        await log_out_and_press_back(page)
        await expect(page.locator("main")).to_contain_text("登录")
    assert (await street.relay.row(REFUNDS))["amount_micros"] == 10_000
    assert console.wrongs == []


async def test_without_a_script(street: Street) -> None:
    """The main acts are forms, and links lead to pages of their own."""
    api_key = await prepare(street)
    async with street.console.page(has_script=False) as page:
        await set_price(page, "by hand")
        await pause_and_resume(street, page, api_key)
        await page.goto("/console/tasks")
        await page.locator("#list tbody tr", has_text="succeeded").locator("a").first.click()
        await follow(page, "Refund…")
        await fill(page, amount="4711", reason="mistake")
        await press(page, re.compile(r"^Refund \d"))
        await expect(page.locator("#main")).to_contain_text("is left to refund")
        await fill(page, amount="0.03")
        await press(page, re.compile(r"^Refund \d"))
        await press(page, "Refund 0.03 USD")
        await is_done(page)
        await page.goto("/console/tasks")
        await log_out_and_press_back(page)
    assert (await street.relay.row(REFUNDS))["amount_micros"] == 30_000
    assert street.console.wrongs == []


async def test_by_keys_alone(street: Street) -> None:
    """In the order of the page, past the menu, into a drawer, through a form, and out again."""
    await prepare(street)
    console = street.console
    async with console.page() as page:
        await page.goto("/console/tasks?state=succeed")
        await tab_to(page, "Skip to the content")
        await page.keyboard.press("Enter")
        await tab_to(page, "row")
        await page.keyboard.press("Enter")
        await expect(page.locator("#drawer h1")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("#list tbody a").first).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#drawer h1")).to_be_focused()
        await tab_to(page, "Refund…")
        await page.keyboard.press("Enter")
        await expect(page.locator("#drawer h1")).to_contain_text("Refund")
        await tab_to(page, "amount")
        await page.keyboard.type("0.04")
        await tab_to(page, "reason")
        await page.keyboard.type("Goodwill")
        await tab_to(page, re.compile(r"Refund \d.*"))
        await page.keyboard.press("Enter")
        await page.wait_for_selector("button:text('Refund 0.04 USD')")
        await tab_to(page, "Refund 0.04 USD")
        await page.keyboard.press("Enter")
        await is_done(page)
    assert (await street.relay.row(REFUNDS))["amount_micros"] == 40_000
    assert console.wrongs == []
