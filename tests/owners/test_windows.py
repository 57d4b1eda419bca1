"""Rows and the windows of time that find them: by what a row shows, to the millisecond."""

from typing import Any

import pytest

from relay.tenants.tokens import IssuedToken
from tests.owners.test_many_and_account import BALANCE, NEW, PACKAGE, TRY_ON
from tests.owners.two_accounts import TTS, Shop

SPEECH = "/v1/audio/tts"
TEXT = {"prompt": "a fox"}
LAST = 253_402_300_799_000
LISTS = {
    "/tasks": (NEW, TEXT),
    "/solutions": (TRY_ON, TEXT),
    PACKAGE: (SPEECH, TTS),
    BALANCE: (SPEECH, TTS),
}


async def rows_of(shop: Shop, token: IssuedToken, path: str, **window: Any) -> list[dict[str, Any]]:
    response = await shop.post(token, path, window)
    assert response.status_code == 200, response.text
    result = response.json()["data"].get("result", [])
    return list(result if isinstance(result, list) else result["detail"])


def shown_ms(row: dict[str, Any]) -> int:
    """When a row says that it is of."""
    names = ("deduction_time", "create_time", "created_at")
    return next(int(row[name]) for name in names if name in row)


@pytest.mark.parametrize("path", LISTS)
async def test_a_row_is_found_by_the_time_that_it_shows(shop: Shop, path: str) -> None:
    """By a window that begins with it and by one that ends with it; windows side by side show each
    row once, wherever between them the border is."""
    token = await shop.tenant()
    endpoint, body = LISTS[path]
    for _ in range(4):
        await shop.post(token, endpoint, body, on="one")
    every = await rows_of(shop, token, path)

    for row in every:
        at = shown_ms(row)
        assert row in await rows_of(shop, token, path, start_time=at)
        assert row in await rows_of(shop, token, path, end_time=str(at))
        assert row in await rows_of(shop, token, path, start_time=at, end_time=at)
        assert row not in await rows_of(shop, token, path, start_time=at + 1, end_time=LAST)
        for border in (at - 1, at):
            older = await rows_of(shop, token, path, start_time=0, end_time=border)
            newer = await rows_of(shop, token, path, start_time=border + 1, end_time=LAST)
            assert [*newer, *older] == every
    assert len(every) == (5 if path in (PACKAGE, BALANCE) else 4)  # and what was sold first
