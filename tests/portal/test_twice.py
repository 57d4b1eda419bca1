"""Forms of the portal that are sent twice, such as by a press without a script."""

import asyncio

from relay.tenants.scope import Scope
from tests.console.test_twice import count, key_of
from tests.portal.test_keys import SECRET
from tests.portal.visiting import Visit, visiting
from tests.relay_app import Relay, fixture_relay

PLACE = {"kind": "dingtalk", "to": "dingtalk://SECabc@token", "lang": "zh"}
AGAIN = "This form was sent before, and done once."


async def press(visit: Visit, path: str, fields: dict[str, str], times: int = 4) -> list[str]:
    answers = await asyncio.gather(*(visit.post(path, **fields) for _ in range(times)))
    assert {answer.status_code for answer in answers} <= {200, 303}, answers[0].text
    return [answer.text for answer in answers]


async def test_a_form_that_makes_something_makes_it_once(database_url: str) -> None:
    """Of four at once one does; the others say so, and show no secret of it. Another form makes
    another one, and a refusal leaves the form to be sent again."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        async with visiting(relay) as ann, visiting(relay) as ben:
            await ann.post("/tokens/tenants/open", name="eu", factor="1.2")
            for page, place, fields in (
                ("/tokens/make", "/tokens/make", {"scope": "call", "name": "shop"}),
                ("/tokens/make?below=eu", "/tokens/make", {"scope": "call", "below": "eu"}),
            ):
                for visit in (ann, ben):
                    before = await count(relay, "tokens")
                    once = key_of((await visit.get(page)).text)
                    wrong = await visit.post(place, **fields | {"scope": "x"}, once=once)
                    assert (wrong.status_code, key_of(wrong.text)) == (422, once)

                    told = await press(visit, place, fields | {"once": once})

                    assert await count(relay, "tokens") == before + 1, place
                    (made,) = [text for text in told if AGAIN not in text]
                    api_key = SECRET.findall(made)[0]
                    for text in told:
                        if text is not made:
                            assert api_key not in text
                            assert "revoke that key" in text
                            assert 'href="/portal/tokens"' in text
            once = key_of((await ann.get("/callbacks/notices/add")).text)
            told = await press(ann, "/callbacks/notices/add", PLACE | {"once": once})
            assert sum(AGAIN in text for text in told) == 3
            assert await count(relay, "notice_places") == 1
            once = key_of((await ann.get("/callbacks/notices/add")).text)
            await press(ann, "/callbacks/notices/add", PLACE | {"once": once})
            assert await count(relay, "notice_places") == 2
        await _no_other_tenant_is_told(relay, once)


async def _no_other_tenant_is_told(relay: Relay, once: str) -> None:
    """A key of another tenant's form does nothing to one's own, and tells nothing."""
    await relay.add_tenant("rival")
    async with visiting(relay, "rival", Scope.MANAGE) as eve:
        told = await press(eve, "/callbacks/notices/add", PLACE | {"once": once}, times=1)
    assert AGAIN not in told[0]
    assert await count(relay, "notice_places") == 3
