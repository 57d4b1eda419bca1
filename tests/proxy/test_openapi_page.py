"""The page of the document: offline, under a policy that keeps it so."""

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar

from relay.proxy.openapi.document import KlingDocument
from relay.proxy.openapi.page import ASSETS, openapi_pages
from tests.proxy.test_openapi import app_with

SUMS = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui-bundle.js.LICENSE.txt": "37eb6e7e59aed57b2c1acf076574b818"
    "ea07b74265717e0bd67b59e0baf9abbb",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}
OURS = ("index.html", "page.css", "page.js")


@pytest.fixture(scope="module")
def document() -> KlingDocument:
    return app_with().document


@pytest.fixture
async def office(document: KlingDocument) -> AsyncIterator[httpx.AsyncClient]:
    app: Any = Litestar(openapi_pages(document), openapi_config=None, logging_config=None)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://office.test"
    ) as client:
        yield client


async def test_the_page_and_all_that_it_names_come_from_one_listener(
    office: httpx.AsyncClient, document: KlingDocument
) -> None:
    """Scripts, styles and the document: nothing of it stands elsewhere."""
    page = await office.get("/openapi")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    found = {name: await office.get(name) for name in named if not name.startswith("data:")}

    assert page.headers["content-type"].startswith("text/html")
    assert {name.rpartition("/")[2] for name in found} == {
        *("swagger-ui.css", "page.css", "kling.json", "swagger-ui-bundle.js", "page.js")
    }
    assert {answer.status_code for answer in found.values()} == {200}
    assert found["/openapi/kling.json"].content == document.content
    assert found["/openapi/kling.json"].headers["content-type"] == "application/json"
    assert 'data-document="/openapi/kling.json"' in page.text


async def test_the_policy_lets_it_ask_nobody_else(office: httpx.AsyncClient) -> None:
    """On the page, the document and each asset: its own origin, no inline code, no frames."""
    for path in ("/openapi", "/openapi/kling.json", "/openapi/assets/page.js"):
        answer = await office.get(path)
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy.pop("img-src") == "'self' data:"
        assert set(policy.values()) == {"'none'", "'self'"}
        assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_is_ours_of_it_names_no_other_host() -> None:
    """No address, and nothing inline that the policy would refuse."""
    for name in OURS:
        text = (ASSETS / name).read_text()
        assert re.findall(r"https?:|[\"'(]//|@import|style=|onload=|<style|<script>", text) == []


@pytest.mark.parametrize("name", SUMS)
def test_what_is_not_ours_is_as_it_was_published(name: str) -> None:
    """Of `swagger-ui-dist` 5.35.0, as its npm package holds it."""
    assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == SUMS[name]
    assert "5.35.0" in (ASSETS / "README.md").read_text()


async def test_nothing_else_is_served_from_there(office: httpx.AsyncClient) -> None:
    """Not the files around it."""
    for path in ("/openapi/assets/../page.py", "/openapi/assets/%2e%2e/page.py", "/openapi/x"):
        assert (await office.get(path)).status_code == 404
