"""Our request ids are UUIDs of version 7: of Kling's shape, unique, and in order of time."""

import time
import uuid

from relay.request_ids import new_request_id
from tests.waiting import block_for

MANY = 100_000


def test_request_ids_are_unique_uuids_of_version_7() -> None:
    """A hundred thousand, in the one spelling that a UUID has."""
    ids = [new_request_id() for _ in range(MANY)]

    assert len(set(ids)) == MANY
    for text in ids[::50]:
        read = uuid.UUID(text)
        assert (str(read), read.version, read.variant) == (text, 7, uuid.RFC_4122)


def test_a_request_id_begins_with_its_millisecond() -> None:
    """48 bits, high ones first; so ids are sorted as they were made, by millisecond."""
    before_ms = time.time_ns() // 1_000_000
    ids = []
    for _ in range(5):
        ids.append(new_request_id())
        block_for(0.002, because="each has a millisecond of its own")
    after_ms = time.time_ns() // 1_000_000

    times = [uuid.UUID(text).int >> 80 for text in ids]
    assert before_ms <= times[0] < times[-1] <= after_ms
    assert ids == sorted(ids)


def test_what_follows_the_time_is_chance() -> None:
    """Of the 74 bits behind it, each is set in about half of a thousand ids."""
    numbers = [uuid.UUID(new_request_id()).int for _ in range(1000)]

    places = [place for place in range(80) if place not in (*range(62, 64), *range(76, 80))]
    counts = [sum(number >> place & 1 for number in numbers) for place in places]

    assert len(places) == 74
    assert all(350 < count < 650 for count in counts), counts
