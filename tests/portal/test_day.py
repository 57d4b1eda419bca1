"""A whole day of a tenant's, in a real browser, with real tasks of a sandbox's over sockets."""

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.clones import cloned
from tests.console.browsing import PHONE, skip_without_browser
from tests.console.street import Street, open_street
from tests.health.test_room import set_room
from tests.portal.work import pay
from tests.relay_app import CLIP_MICROS

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

PAPER = b"%PDF-1.7 of Fox Films"
NUMBER = "26317000000123456789"
REVOKED = "SELECT revoked_at IS NOT NULL AS is_over FROM tokens WHERE name = 'night shift'"


@pytest.fixture(scope="module")
async def street(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Street]:
    """A provider with one channel, and a tenant that has paid in and has no key of its own yet."""
    async with cloned(postgres_server, template) as url, open_street(url) as street:
        await street.relay.add_channel(base_url=street.kling_url)
        await street.relay.add_tenant()
        await pay(street.relay, 30_000_000, "bank-1")
        yield street


async def test_a_tenants_day(street: Street) -> None:
    """From the provider's link to the log-out, each act as a person does it."""
    portal = street.portal
    async with portal.page(enters=False) as page:
        await enter(street, page)
        task = await try_it(street, page)
        await read_what_happened(street, page, task)
        await look_at_usage(page)
        await ask_for_an_invoice(page)
        await issue_it(street)
        await fetch_it(page)
        await have_a_key(street, page)
        await see_to_callbacks(street, page)
        await calculate(page)
        await read_it_in_chinese(page)
        await page.goto("/portal/tasks")
        await log_out_and_press_back(page)
    assert portal.wrongs == []
    assert street.console.wrongs == []
    assert (await street.relay.audit()).ok


async def enter(street: Street, page: Any) -> None:
    """The link shows a button and is good once."""
    key = await street.portal._new_key()  # noqa: SLF001
    for _ in range(2):
        await page.goto(f"/portal/enter?key={key}")
    await page.keyboard.press("Enter")  # its button has the focus
    await page.wait_for_url("**/portal")
    await expect(page.locator("h1")).to_have_text("Home")
    await expect(page.locator(".card").first).to_contain_text("40.00")
    await expect(page.locator("#month")).to_contain_text("0")
    await page.goto(f"/portal/enter?key={key}")
    await press(page, "Enter")
    await expect(page.locator("h1")).to_have_text("This link is over")


async def try_it(street: Street, page: Any) -> str:
    """A form, what it costs, one press too many, and the end of it."""
    await page.goto("/portal")
    await follow(page, "Try it", "Text to video")
    await fill(page, model_name="kling-v3", mode="std", duration="5")
    await fill(page, prompt="a fox </textarea><b>in bold</b>")
    await press(page, "See the price")
    await expect(page.locator(".figure").first).to_contain_text("0.42")
    code = page.locator("details pre").first
    await expect(code).to_contain_text(f"curl -X POST {street.public_url}/kling/v1/videos")
    await page.locator("details .copy").first.click()
    taken = await page.evaluate("navigator.clipboard.readText()")
    assert taken.strip() == (await code.text_content()).strip()
    assert "in bold" in taken
    await inside(page).get_by_role("button", name=re.compile("^Create it for 0.42")).dblclick()
    await page.wait_for_url("**/portal/tasks/*")
    (row,) = await street.relay.rows(
        "SELECT kling_id FROM tasks k JOIN tenants t ON t.id = k.tenant_id WHERE t.name = 'acme'"
    )
    await street.ended(row["kling_id"])
    await page.reload()
    await expect(page.locator("#task")).to_contain_text("succeeded")
    await expect(page.locator("#task .result code")).to_contain_text(street.kling_url)
    return str(row["kling_id"])


async def read_what_happened(street: Street, page: Any, task: str) -> None:
    """Found by its id, told to its end, in a drawer of the list too."""
    await page.keyboard.press("/")
    await page.keyboard.type(task)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/portal/tasks/{task}")
    await page.goto("/portal/tasks")
    await page.get_by_role("link", name=task, exact=True).click()
    drawer = page.locator("#drawer")
    for told in ("What happened", "0.42 USD", "Price", "Request"):
        await expect(drawer).to_contain_text(told)
    assert "main" not in await drawer.inner_text(), "no channel"
    await page.keyboard.press("Escape")
    await expect(drawer.locator("h1")).to_have_count(0)
    (quota, held) = await street.relay.account()
    assert (quota, held) == (40_000_000 - CLIP_MICROS, 0)


async def look_at_usage(page: Any) -> None:
    """A chart with its table, and the same as a file."""
    await page.goto("/portal/usage")
    await page.locator(".chart canvas").first.wait_for()
    await expect(page.locator("#by-day")).to_contain_text("0.42")
    async with page.expect_download() as loading:
        await page.get_by_role("link", name="CSV").first.click()
    text = (await (await loading.value).path()).read_text(encoding="utf-8-sig")
    assert "0.42" in text


async def ask_for_an_invoice(page: Any) -> None:
    await page.goto("/portal/money/statement")
    await expect(page.locator("#main table").first).to_contain_text("39.58")
    await follow(page, "Invoices", "Say whom invoices name…")
    await fill(page, kind="general", title="Fox Films Ltd", tax_id="91310000MA1K35")
    await press(page, "Save")
    await is_done(page)
    await press(page, "Ask for an invoice over these")
    await is_done(page)
    await expect(page.locator("#main")).to_contain_text("asked for")


async def issue_it(street: Street) -> None:
    """The provider's side of it, in the console."""
    async with street.console.page() as page:
        await follow(page, "1 invoice is asked for")
        await page.locator("table.rows tbody a").first.click()
        await follow(page, "It was made…")
        await fill(page, number=NUMBER)
        paper = {"name": "fapiao.pdf", "mimeType": "application/pdf", "buffer": PAPER}
        await page.set_input_files("#file", paper)
        await press(page, "Save")
        await is_done(page)


async def fetch_it(page: Any) -> None:
    await page.reload()
    await expect(page.locator("#main")).to_contain_text(NUMBER)
    async with page.expect_download() as loading:
        await follow(page, "fapiao.pdf")
    assert (await (await loading.value).path()).read_bytes() == PAPER


async def have_a_key(street: Street, page: Any) -> None:
    """A new one with a limit, given new secrets, and revoked: each works for as long as it says."""
    await page.goto("/portal/tokens")
    await follow(page, "Make a key…")
    await fill(page, name="night shift", scope="call")
    await press(page, "Make it")
    first = await shown_key(page)
    await follow(page, "Limit it…")
    await fill(page, task="0.1")
    await press(page, "Save")
    await is_done(page)
    answer = await street.create(first)
    assert (answer.status_code, answer.json()["code"]) == (403, 1103)
    row = page.locator("tbody tr", has_text="night shift")
    await row.get_by_role("link", name="Limits…").click()
    await fill(page, task="1")
    await press(page, "Save")
    await is_done(page)
    await street.taken(first)
    await row.get_by_role("link", name="New keys…").click()
    await fill(page, keep_hours="1")
    await press(page, "Give it new keys")
    second = await shown_key(page)
    assert second != first
    for key in (first, second):
        await street.taken(key)
    await page.goto("/portal/tokens")
    await row.get_by_role("link", name="Revoke…").click()
    await press(page, "Revoke it for good")
    await is_done(page)
    assert (await street.relay.row(REVOKED))["is_over"]
    await street.turned_away(second)


async def shown_key(page: Any) -> str:
    await page.locator("[role=alert]").first.wait_for()
    (key,) = set(re.findall(r"sk-[\w-]+", await page.locator("dl.facts").first.inner_text()))
    return str(key)


async def see_to_callbacks(street: Street, page: Any) -> None:
    """A test of a URL, a secret and another one, and what arrived sent once more."""
    await page.goto("/portal/callbacks")
    await follow(page, "Signature")
    await press(page, "Make the secret")
    await page.locator("[role=alert]").first.wait_for()
    await follow(page, "Try a URL")
    await fill(page, url=street.hook.url)
    await press(page, "Send a test")
    await expect(page.locator("#main")).to_contain_text("HTTP 200".removeprefix("HTTP "))
    await expect(page.locator("#main")).to_contain_text("<b>taken</b>")
    assert street.hook.heard[-1]["webhook-signature"].count("v1,") == 1
    await follow(page, "Callbacks")
    await page.locator("#list tbody a").first.click()
    await follow(page, "Send once more…")
    told = await page.locator("#drawer form").get_attribute("action")
    webhook_id = str(told).split("/")[-2]
    await press(page, "Send once more")
    await is_done(page)
    await street.heard(webhook_id, times=1)  # the first was before there was a secret
    await page.goto("/portal/callbacks/signature")
    await press(page, "Make another one")
    await page.locator("[role=alert]").first.wait_for()
    await page.goto("/portal/callbacks/signature")
    await expect(page.locator("#main")).to_contain_text("The one before signs beside it")


async def calculate(page: Any) -> None:
    await page.goto("/portal/prices")
    await follow(page, "Calculator")
    await fill(page, endpoint="text2video")
    await press(page, "Go on")
    await fill(page, model="kling-v3", mode="std", duration="10")
    await press(page, "Calculate")
    await expect(page.locator(".figure")).to_contain_text("0.84")


async def read_it_in_chinese(page: Any) -> None:
    """By the menu under one's name, and back to where one was."""
    await page.locator("details.me summary").click()
    await page.get_by_role("button", name="中文").click()
    await page.wait_for_url("**/portal/prices/calculator**")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    await expect(page.locator("h1")).not_to_have_text("What would it cost?")
    await page.goto("/portal")
    await expect(page.locator("#main")).to_contain_text("可用金额")


async def test_on_a_phone_in_chinese_in_the_dark(street: Street) -> None:
    """A task by the form, in a drawer that fills the screen, and nothing wider than the phone."""
    async with street.portal.page(language="zh", scheme="dark", size=PHONE) as page:
        await page.goto("/portal/try/text2video")
        await fill(page, model_name="kling-v3", prompt="一只狐狸")
        await inside(page).locator("form.stack button.main").click()
        await page.locator(".figure").first.wait_for()
        await fits_in_the_dark(page)
        await inside(page).locator("form.stack button.main").click()
        await page.wait_for_url("**/portal/tasks/*")
        await street.ended(urlsplit(page.url).path.rpartition("/")[2])
        await expect(page.locator("#task h2").first).to_have_text("结果")  # by itself, as it ends
        await page.goto("/portal/tasks")
        await page.locator("#list tbody a").first.click()
        drawer = page.locator("#drawer")
        await expect(drawer.locator("h1")).to_contain_text("任务")
        await fills_the_phone(drawer)
        await fits_in_the_dark(page)
        await drawer.locator(".close").click()
        await log_out_and_press_back(page)
    assert street.portal.wrongs == []


async def test_the_studio(street: Street) -> None:
    """A talking picture by a form, refused, priced, made and seen; and another one cancelled."""
    async with street.portal.page() as page:
        await make_it_talk(street, page)
        await cancel_another(street, page)
    assert street.portal.wrongs == []
    assert (await street.relay.audit()).ok


async def make_it_talk(street: Street, page: Any) -> None:
    """What is wrong stands beside its field; the whole price is seen; it is shown as it moves."""
    await page.goto("/portal")
    await page.locator("nav.menu").get_by_role("link", name="Studio").click()
    await follow(page, "Digital human")
    await press(page, "See the price")
    for field in ("text", "image"):
        await expect(page.locator(f"#{field}-error")).to_be_visible()
    await fill(page, text="Good <b>morning</b>", image="https://files.example.com/fox.png")
    await press(page, "See the price")
    await expect(page.locator("#voice_id-error")).to_be_visible()
    voice = page.locator("#voice-list option").first
    await voice.wait_for(state="attached")
    await fill(page, voice_id=str(await voice.get_attribute("value")))
    await press(page, "See the price")
    told = await page.locator(".figure .money").inner_text()
    steps = await page.locator("table.rows td.money").all_inner_texts()
    assert Decimal(told) == sum(map(Decimal, steps)) > 0
    assert len(steps) == 2
    begun = "SELECT count(*) AS runs FROM runs WHERE kind = 'digital_human'"
    assert (await street.relay.row(begun))["runs"] == 0, "nothing is begun before it was seen"
    await inside(page).get_by_role("button", name=re.compile("^Begin it for at most")).dblclick()
    await page.wait_for_url("**/portal/studio/runs/*")
    await expect(page.locator("#run h2").first).to_have_text("Result")  # by itself, as it moves
    assert (await street.relay.row(begun))["runs"] == 1
    await expect(page.locator("progress")).to_have_attribute("value", "100")
    await expect(page.locator("details pre").first).to_contain_text(
        f"curl -X POST {street.public_url}/api/kling/koubo/digital-human"
    )
    await expect(page.locator("details pre").first).to_contain_text("<b>morning</b>")
    assert await page.locator("#run video").count() == 0, "shown when somebody wants to see it"
    await page.locator("button.show[data-show=video]").click()
    await expect(page.locator("#run video")).to_be_visible()


async def cancel_another(street: Street, page: Any) -> None:
    """One that waits for room: no step of it begins, and nothing is held."""
    await set_room(street.relay, "main", {"image": 0})
    await page.goto("/portal/studio/make/workflow/product-showcase")
    await fill(page, image="https://files.example.com/cup.png", prompt="on a beach")
    await press(page, "See the price")
    await inside(page).get_by_role("button", name=re.compile("^Begin it for at most")).click()
    await page.wait_for_url("**/portal/studio/runs/*")
    await follow(page, "Cancel it…")
    await press(page, "Cancel it")
    await is_done(page)
    await expect(page.locator("#run .badge").first).to_have_text("cancelled")
    assert (await street.relay.account())[1] == 0, "nothing is held"
    await page.goto("/portal/studio/runs?state=cancelled")
    await expect(page.locator("#list tbody tr")).to_have_count(1)


async def test_without_a_script(street: Street) -> None:
    """A task, a key and a test of a URL are forms, and links lead to pages of their own."""
    async with street.portal.page(has_script=False) as page:
        await page.goto("/portal/try/text2video")
        await fill(page, model_name="kling-v3", prompt="a fox")
        await press(page, "See the price")
        await inside(page).get_by_role("button", name=re.compile("^Create it for")).click()
        await page.wait_for_url("**/portal/tasks/*")
        await page.goto("/portal/tokens/make")
        await fill(page, name="by hand")
        await press(page, "Make it")
        await street.taken(await shown_key(page))
        await page.goto("/portal/tasks")
        await page.locator("#list tbody a").first.click()
        await expect(page.locator("h1")).to_contain_text("Task")
        await log_out_and_press_back(page)
    assert street.portal.wrongs == []


async def test_by_keys_alone(street: Street) -> None:
    """Past the menu to a form, to its price, and to the task that it makes; a drawer by Escape."""
    async with street.portal.page() as page:
        await page.goto("/portal/try/text2video")
        await tab_to(page, "Skip to the content")
        await page.keyboard.press("Enter")
        await tab_to(page, "prompt")
        await page.keyboard.type("a fox")
        await tab_to(page, "See the price")
        await page.keyboard.press("Enter")
        await page.locator(".figure").first.wait_for()
        name = await page.locator("form.stack button.main").inner_text()
        await tab_to(page, name)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/portal/tasks/*")
        await street.ended(urlsplit(page.url).path.rpartition("/")[2])
        await page.goto("/portal/tasks")
        await tab_to(page, "row")
        await page.keyboard.press("Enter")
        await expect(page.locator("#drawer h1")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("#list tbody a").first).to_be_focused()
    assert street.portal.wrongs == []
