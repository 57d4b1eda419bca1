"""No secret stands in a change or in a refusal, sealed or not.

Secrets are what opens something: a channel's keys (its access key too, of which our lists show but
a part), a tenant's secret key, API key and webhook secret, and our own secret key; and what stands
for one of them in a row: sealed values, hashes, and the hint of an API key. A tenant's access key
is none: it is the `iss` of every JWT, and our lists tell its tokens apart by it.
"""

from functools import partial
from typing import cast

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.channels import ChannelKeys
from relay.desk.codes import MadeCode
from relay.desk.tenants import IssuedSecret
from relay.desk.tokens import IssuedToken
from tests.desk.acts import (
    BROUGHT_KEY,
    DONE,
    NEW_KEYS,
    NEW_PASSWORD_HASH,
    NEW_SECOND_FACTOR,
    REFUSED,
)
from tests.desk.world import ANN, CHANNEL_KEYS, CODE, PASSWORD_HASH, SECOND_FACTOR, Desk

STORED = """
SELECT unnest(ARRAY[
    access_key, secret_key_sealed, api_key_sealed, webhook_secret_sealed, proxy_password_sealed
]) FROM channels
UNION ALL
SELECT unnest(ARRAY[
    secret_key_sealed, former_secret_key_sealed,
    encode(api_key_hash, 'hex'), encode(api_key_hash, 'base64'), to_json(api_key_hint)::text
]) FROM tokens
UNION ALL
SELECT secret_sealed FROM webhook_secrets
UNION ALL
SELECT url_sealed FROM alert_places
UNION ALL
SELECT url_sealed FROM notice_places
UNION ALL
SELECT unnest(ARRAY[encode(token_hash, 'hex'), encode(token_hash, 'base64')]) FROM operator_tokens
UNION ALL
SELECT unnest(ARRAY[password_hash, totp_sealed]) FROM operators
UNION ALL
SELECT unnest(ARRAY[encode(session_hash, 'hex'), encode(session_hash, 'base64')]) FROM web_sessions
UNION ALL
SELECT unnest(ARRAY[encode(link_hash, 'hex'), encode(link_hash, 'base64')]) FROM login_links
UNION ALL
SELECT unnest(ARRAY[encode(code_hash, 'hex'), encode(code_hash, 'base64')]) FROM codes
"""
"""A hint has four characters, which may stand anywhere: it is looked for as a whole value."""
GIVEN = ("url-password-1", "url-query-1", "half-a-pair-1", "short-key-1", "not base64 1")
PASSWORDS = (
    *("proxy-password-1", "proxy-password-2", "place-secret-0", "place-secret-9"),
    *("notice-secret-0", "notice-secret-9", CODE),
    *(PASSWORD_HASH, SECOND_FACTOR, NEW_PASSWORD_HASH, NEW_SECOND_FACTOR),
)
"""What some refused acts are given."""


def of_keys(keys: ChannelKeys) -> set[str]:
    return {str(value) for value in msgspec.structs.astuple(keys)}


def of_issued(issued: object) -> set[str]:
    """What an act hands out this once."""
    match issued:
        case IssuedToken(secret_key=secret_key, api_key=api_key):
            return {secret_key, api_key}
        case IssuedSecret(secret=secret):
            return {secret}
        case [MadeCode(), *_]:
            return {one.code for one in cast("list[MadeCode]", issued)}
        case _:
            return set()


async def stored(session: AsyncSession) -> set[str]:
    return {str(value) for value in await session.scalars(text(STORED)) if value is not None}


async def test_no_change_has_a_secret(desk: Desk) -> None:
    """All acts are done with secrets that are known here, each on the desk as it was."""
    given = {desk.secret_key.partition(":")[2], BROUGHT_KEY, *of_keys(CHANNEL_KEYS)}
    given |= of_keys(NEW_KEYS)
    for token in desk.tokens.values():
        given |= of_issued(token)
    searched = 0

    for case in DONE:
        async with desk.sessions() as session:
            issued = await case.do(desk, session, ANN)
            secrets = given | of_issued(issued) | await stored(session) | set(PASSWORDS)
            changes = list(await session.scalars(text("SELECT to_json(c)::text FROM changes c")))
            await session.rollback()
        found = [secret for secret in secrets for change in changes if secret in change]
        assert found == [], case
        searched += len(secrets)

    assert searched > 20 * len(DONE)


async def test_no_refusal_repeats_a_secret(desk: Desk, subtests: pytest.Subtests) -> None:
    """Its words go to a terminal, and later into answers and logs."""
    secrets = {*GIVEN, *PASSWORDS, BROUGHT_KEY, *of_keys(CHANNEL_KEYS), *of_keys(NEW_KEYS)}

    for case in REFUSED:
        with subtests.test(str(case)):
            with pytest.raises(case.error) as raised:
                await desk.act(partial(case.do, desk))
            said = f"{raised.value!r} {vars(raised.value)}"
            assert [secret for secret in secrets if secret in said] == []
