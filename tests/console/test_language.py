"""Both sites in the language of who reads them, down to why something was not done."""
# ruff: noqa: RUF001 (Chinese has commas of its own)

import re

from relay.choices import Language
from tests.console.visiting import browser as office_browser
from tests.console.visiting import visiting
from tests.portal.visiting import visiting as visiting_portal
from tests.relay_app import CLIP, fixture_relay

ERRORS = re.compile(r'class="error"[^>]*>([^<]+)|role="alert"[^>]*>\s*(?:<[^>]+>)*([^<]+)')


def said(page: str) -> str:
    return " ".join("".join(found).strip() for found in ERRORS.findall(page))


async def test_refusals_are_in_the_readers_language(database_url: str) -> None:
    """Of the desk, of the API and of a check; the API itself says the same in English."""
    async with (
        fixture_relay(database_url, portal=True, language=Language.ZH) as relay,
        visiting(relay) as ann,
        office_browser(relay) as stranger,
    ):
        await relay.add_channel()
        token = await relay.add_tenant("acme")
        assert 'lang="zh' in (await stranger.get("/console/login")).text, "as the relay is set"
        stranger.headers["accept-language"] = "en"
        assert 'lang="en' in (await stranger.get("/console/login")).text
        assert "没有租户 4711。" in (await ann.get("/tenants/4711")).text
        topped = await ann.post(
            "/tenants/1/top-up", amount="-1", kind="paid", reference="x", sure="-1000000"
        )
        assert "售出或赠送须大于 0：扣减请用更正。" in said(topped.text)
        assert "没有接收处：任何告警都没有人收到" in await ann.read("/check")
        unpriced = await relay.submit(token, CLIP | {"model_name": "kling-9"})
        assert unpriced.json()["message"].startswith("Not available here: ")

        async with visiting_portal(relay) as visit:
            assert 'lang="zh' in await visit.read("")
            answer = await visit.post("/tokens/make", name="k", scope="call", addresses="here")
            assert "“here”不是地址或网络，应如 10.0.0.0/8；未创建。" in said(answer.text)
            visit.client.headers["accept-language"] = "en"
            answer = await visit.post("/tokens/make", name="k", scope="call", addresses="here")
            assert "'here' is no address or network, such as 10.0.0.0/8; nothing was made." in said(
                answer.text
            ).replace("&#39;", "'")
