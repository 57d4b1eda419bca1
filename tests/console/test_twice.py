"""A form that two people have open, and a button that is pressed twice."""

import asyncio
import re
from decimal import Decimal
from html import unescape
from typing import Any

import httpx

from relay.desk.tenants import issue_webhook_secret
from tests.admin.office import act
from tests.console.test_gate import charged_task
from tests.console.test_records import PLACE
from tests.console.test_tenants import id_of
from tests.console.visiting import Visit, version_of, visiting
from tests.relay_app import SANDBOX_URL, Relay, fixture_relay

WITH_SECRETS = {"tokens", "operator_tokens", "portal_links"}
NOTICES = {"kind": "webhook", "to": "https://hooks.example.com/secret", "lang": "en"}


def key_of(page: str) -> str:
    return page.partition('name="once" value="')[2].partition('"')[0]


async def entries(relay: Relay, kind: str) -> list[int]:
    rows = await relay.rows("SELECT amount_micros FROM entries WHERE kind = $1 ORDER BY id", kind)
    return [row["amount_micros"] for row in rows]


async def press(visit: Visit, path: str, times: int, **fields: Any) -> list[str]:
    answers = await asyncio.gather(*(visit.post(path, **fields) for _ in range(times)))
    assert {answer.status_code for answer in answers} == {303}, answers[0].text
    return sorted(answer.headers["location"].rpartition("=")[2] for answer in answers)


async def test_an_adjustment_is_made_once_however_often_it_is_sent(database_url: str) -> None:
    """Of five at once one is done; another form, or another person, does another one."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "bob") as bob,
    ):
        await relay.add_tenant()
        here = f"/tenants/{await id_of(relay, 'acme')}/adjust"
        fields = {"amount": "-0.5", "reason": "fee"}
        planned = (await ann.post(here, **fields)).text
        sure = fields | {"sure": "-500000", "once": key_of(planned)}

        said = await press(ann, here, 5, **sure)

        assert said == ["done", *["done-before"] * 4]
        assert await entries(relay, "adjust") == [-500_000]
        assert await press(ann, here, 1, **sure | {"once": key_of((await ann.get(here)).text)})
        assert await press(bob, here, 1, **sure) == ["done"]
        assert await entries(relay, "adjust") == [-500_000] * 3


async def test_a_machines_user_adjusts_once_too(database_url: str) -> None:
    """No row of an operator holds it up: the key of the form does."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        await relay.rows("UPDATE web_sessions SET operator_id = NULL, machine_user = 'root'")
        here = f"/tenants/{await id_of(relay, 'acme')}/adjust"
        once = key_of((await ann.get(here)).text)
        fields = {"amount": "-0.5", "reason": "fee", "sure": "-500000", "once": once}
        assert await press(ann, here, 5, **fields) == ["done", *["done-before"] * 4]
        assert await entries(relay, "adjust") == [-500_000]


async def test_a_refund_is_made_once_however_often_it_is_sent(database_url: str) -> None:
    """Two presses of one part give back one part; the same part again is another form's."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        here = f"/tasks/{await charged_task(relay)}/refund"
        once = key_of((await ann.get(here)).text)
        fields = {"amount": "0.1", "reason": "goodwill", "sure": "100000"}
        assert await press(ann, here, 4, **fields, once=once) == ["done", *["done-before"] * 3]
        assert await entries(relay, "refund") == [100_000]
        again = key_of((await ann.get(here)).text)
        assert again != once
        assert await press(ann, here, 1, **fields, once=again) == ["done"]
        assert await entries(relay, "refund") == [100_000] * 2


async def test_a_refusal_leaves_the_form_to_be_sent_again(database_url: str) -> None:
    """What was not done is not taken for done."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        here = f"/tasks/{await charged_task(relay)}/refund"
        once = key_of((await ann.get(here)).text)
        fields = {"reason": "goodwill", "once": once}
        answer = await ann.post(here, **fields, amount="4711", sure="4711000000")
        assert (answer.status_code, key_of(answer.text)) == (409, once)
        assert await press(ann, here, 1, **fields, amount="0.1", sure="100000") == ["done"]


async def test_what_has_no_name_is_made_once_however_often_it_is_sent(database_url: str) -> None:
    """Of three at once one makes it, the others say what it made, and no secret twice; a form that
    is opened anew makes another one."""
    async with fixture_relay(database_url, portal=True) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        await act(relay, issue_webhook_secret, "acme", relay.keys, may_rotate=False)
        tenant, channel = await id_of(relay, "acme"), await relay.add_channel()
        operator = await relay.row("SELECT id FROM operators")
        made = {
            f"/tenants/{tenant}/tokens/issue": ("tokens", {"scope": "call", "name": "a"}),
            f"/tenants/{tenant}/notices/add": ("notice_places", NOTICES),
            f"/tenants/{tenant}/portal": ("portal_links", {}),
            f"/operators/{operator['id']}/tokens/issue": ("operator_tokens", {}),
            "/alerts/places/add": ("alert_places", {"url": PLACE, "least": "ticket"}),
            "/pauses/add": ("pauses", {"reason": "r", "all": "on"}),
            f"/channels/{channel}/cost": ("channel_costs", {"unit": "video"}),
        }
        for place, (table, fields) in made.items():
            before = await count(relay, table)
            for time in (1, 2):
                once = key_of((await ann.get(place)).text)
                assert once, place
                # A second price that is as the first one would be none.
                sent = fields | {"once": once, "price": str(time)}
                answers = await asyncio.gather(*(ann.post(place, **sent) for _ in range(3)))
                told = ["sent before, and done once" in answer.text for answer in answers]
                assert sorted(told) == [False, True, True], (
                    place,
                    re.findall("(?:error|alert)[^<]*<", answers[0].text),
                )
                assert await count(relay, table) == before + time, place
                secret = [text for text in map(of, answers) if "not shown again" in text]
                assert len(secret) == (2 if table in WITH_SECRETS else 0), place


def of(answer: httpx.Response) -> str:
    """Read the page that an answer is, but for the one that made what it shows."""
    return answer.text if "done once" in answer.text else ""


async def count(relay: Relay, table: str) -> int:
    (row,) = await relay.rows(f"SELECT count(*) AS number FROM {table}")
    number: int = row["number"]
    return number


async def test_who_edits_a_channel_that_was_changed_is_told(database_url: str) -> None:
    """Nothing of the other's is overwritten; who changed what stands there, and what was typed."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "ben") as ben,
    ):
        here = f"/channels/{await relay.add_channel()}/edit"
        fields = {"name": "main", "base_url": SANDBOX_URL, "priority": "0"}
        version = version_of((await ann.get(here)).text)
        assert version == version_of((await ben.get(here)).text)
        first = await ben.post(here, **fields, weight="5", version=version)
        assert first.status_code == 303, first.text

        answer = await ann.post(here, **fields, weight="9", version=version)

        assert answer.status_code == 409
        assert "operator:ben changed it" in answer.text
        assert "weight 1 &gt; 5" in answer.text
        assert 'value="9"' in answer.text, "what was typed"
        (row,) = await relay.rows("SELECT weight FROM channels")
        assert row["weight"] == 5
        newer = version_of(answer.text)
        assert newer not in ("", version)
        assert (await ann.post(here, **fields, weight="9", version=newer)).status_code == 303
        (row,) = await relay.rows("SELECT weight FROM channels")
        assert row["weight"] == 9
        for none in ("", "x"):
            answer = await ann.post(here, **fields, weight="1", version=none)
            assert answer.status_code == 409, "a form without a version of its own"


async def test_who_edits_a_tenant_that_was_changed_is_told(database_url: str) -> None:
    """Of one field nothing of the other's is overwritten; of two fields each has its own."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "ben") as ben,
    ):
        await relay.add_tenant()
        here = f"/tenants/{await id_of(relay, 'acme')}/change"
        as_it_was = fields_of((await ann.get(here)).text)
        bens = await ben.post(here, **as_it_was | {"multiplier": "0.8", "contact": "ben@a.test"})
        assert bens.status_code == 303, bens.text

        await act(relay, issue_webhook_secret, "acme", relay.keys, may_rotate=False)
        answer = await ann.post(here, **as_it_was | {"multiplier": "0.9", "notes": "hers"})

        assert (answer.status_code, "operator:ben changed it" in answer.text) == (409, True)
        (row,) = await relay.rows("SELECT multiplier, notes FROM tenants")
        assert (row["multiplier"], row["notes"]) == (Decimal("0.8"), None)
        shown = fields_of(answer.text)
        assert [shown[one] for one in ("was.multiplier", "multiplier", "notes", "contact")] == [
            *("0.8", "0.9", "hers", "ben@a.test"),
        ]
        for _ in range(2):
            assert (await ann.post(here, **shown)).status_code == 303, "twice sent is sent once"
        assert (await ben.post(here, **as_it_was | {"queue_s": "60"})).status_code == 303
        (row,) = await relay.rows("SELECT multiplier, notes, contact, queue_s FROM tenants")
        assert list(row.values()) == [Decimal("0.9"), "hers", "ben@a.test", 60]


def fields_of(page: str) -> dict[str, str]:
    """Read what a browser would send of the page's form; not whose it is."""
    form = page.partition('class="stack"')[2].partition("</form>")[0]
    fields = {
        name: unescape(value)
        for name, value in re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form)
    }
    fields |= {
        name: unescape(text)
        for name, text in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>([^<]*)<', form)
    }
    for box in re.findall(r'<input type="checkbox"[^>]*>', form):
        if "checked" not in box:
            del fields[re.findall('name="([^"]+)"', box)[0]]
    chosen = re.findall(r'<select[^>]* name="([^"]+)".*?value="([^"]*)" selected', form, re.DOTALL)
    del fields["csrf"]
    return fields | dict(chosen)


async def test_a_token_is_given_new_keys_once_by_one_form(database_url: str) -> None:
    """A second press would end at once what programs use, however long it was to stay."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        row = await relay.row("SELECT id, tenant_id, access_key FROM tokens")
        path = f"/tenants/{row['tenant_id']}/tokens/{row['id']}/rotate"
        asked = (await ann.get(path)).text
        was = asked.partition('name="access_key" value="')[2].partition('"')[0]
        assert was == row["access_key"]
        form = {"access_key": was, "keep_hours": "24"}
        answers = await asyncio.gather(*(ann.post(path, **form) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers)[:2] == [200, 409]
        now = await relay.row("SELECT former_access_key FROM tokens")
        assert now["former_access_key"] == row["access_key"]
