"""Channels as they are read: keys opened, young, and bound to their row."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.channels.directory import AGE_MAX_S, ChannelDirectory
from relay.database.engine import Sessions, open_engine, open_sessions
from relay.kling.endpoint import Credential
from relay.sandbox.settings import DEFAULT_ACCOUNT
from relay.secrets import KeyRing, new_secret_key
from tests.relay_app import Relay, fixture_relay


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        yield running


async def test_keys_are_sealed_at_rest_and_opened_when_read(relay: Relay) -> None:
    """The table holds none of them in clear; the directory has all three."""
    channel_id = await relay.add_channel(webhook_secret="whsec_c2VjcmV0")

    channel = await ChannelDirectory(relay.sessions, relay.keys).get(channel_id)

    row = str(await relay.row("SELECT channels::text FROM channels"))
    secrets = (channel.secret_key, channel.api_key, channel.webhook_secret)
    assert secrets == (DEFAULT_ACCOUNT.secret_key, DEFAULT_ACCOUNT.api_key, "whsec_c2VjcmV0")
    assert not any(secret in row for secret in secrets if secret)


async def test_a_key_that_was_moved_to_another_row_does_not_open(relay: Relay) -> None:
    """Somebody who can write the table cannot send one account's tasks with another's key.

    The channel's own other key goes on.
    """
    await relay.add_channel("first")
    second = await relay.add_channel("second")
    await relay.rows(
        "UPDATE channels SET api_key_sealed = (SELECT api_key_sealed FROM channels"
        " WHERE name = 'first') WHERE id = $1",
        second,
    )

    found = {one.name: one for one in await ChannelDirectory(relay.sessions, relay.keys).all()}

    assert found["first"].credentials == {Credential.KEY_PAIR, Credential.API_KEY}
    assert found["second"].credentials == {Credential.KEY_PAIR}
    assert (await relay.submit(await relay.add_tenant())).status_code == 200


async def test_a_change_is_seen_within_two_seconds(relay: Relay) -> None:
    """A new channel that is asked for by id at once; a disabled one after the age."""
    now_s = 0.0
    directory = ChannelDirectory(relay.sessions, relay.keys, clock=lambda: now_s)
    first = await relay.add_channel("first")
    assert [one.id for one in await directory.all()] == [first]
    second = await relay.add_channel("second")
    assert (await directory.get(second)).name == "second"

    await relay.rows("UPDATE channels SET enabled = false WHERE id = $1", first)

    now_s = AGE_MAX_S
    assert (await directory.get(first)).enabled
    now_s = AGE_MAX_S + 0.1
    assert not (await directory.get(first)).enabled


async def test_many_at_once_read_the_table_once(relay: Relay, database_url: str) -> None:
    """Whoever comes while it is read waits for that reading."""
    await relay.add_channel()
    reads = 0
    engine = open_engine(database_url)
    sessions = open_sessions(engine)

    def counted() -> object:
        nonlocal reads
        reads += 1
        return sessions()

    counting: Sessions = counted  # type: ignore[assignment]  # only called, as a factory is
    directory = ChannelDirectory(counting, relay.keys)

    found = await asyncio.gather(*(directory.all() for _ in range(50)))

    await engine.dispose()
    assert reads == 1
    assert {len(channels) for channels in found} == {1}


async def test_a_channel_that_never_was_is_a_lookup_error(relay: Relay) -> None:
    """Channels are never deleted, so no task names one."""
    with pytest.raises(LookupError):
        await ChannelDirectory(relay.sessions, relay.keys).get(99)


async def test_callbacks_are_noted_once_a_minute(relay: Relay) -> None:
    """A write per callback would make one row the hottest of all."""
    channel_id = await relay.add_channel()
    directory = ChannelDirectory(relay.sessions, relay.keys)

    await directory.note_callback(await directory.get(channel_id))
    first = (await relay.row("SELECT callback_at FROM channels"))["callback_at"]
    await directory.note_callback(await directory.get(channel_id))
    again = (await relay.row("SELECT callback_at FROM channels"))["callback_at"]
    await relay.rows("UPDATE channels SET callback_at = now() - interval '61 seconds'")
    await directory.note_callback(
        await ChannelDirectory(relay.sessions, relay.keys).get(channel_id)
    )
    later = (await relay.row("SELECT callback_at FROM channels"))["callback_at"]

    assert first is not None
    assert first == again < later


async def test_a_key_that_cannot_be_opened_takes_no_other_with_it(relay: Relay) -> None:
    """A webhook secret of a lost key closes the bare path; the channel is called all the same."""
    channel_id = await relay.add_channel()
    lost = KeyRing.parse(new_secret_key("k0"))
    sealed = lost.seal("whsec_x", context=f"channels/{channel_id}/webhook_secret")
    await relay.rows("UPDATE channels SET webhook_secret_sealed = $1", sealed)

    channel = await ChannelDirectory(relay.sessions, relay.keys).get(channel_id)

    assert (channel.enabled, channel.is_sealed, channel.webhook_secret) == (True, False, None)
