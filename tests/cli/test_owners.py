"""`relay owner`: claims for things that were made before their tenant came here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.command import Command, execute

ELEMENT = "829836802793406551"


@pytest.fixture
def shop(relay: Command) -> Iterator[Command]:
    """Two tenants, two channels."""
    for name in ("acme", "beta"):
        relay("tenant", "add", name)
    for name in ("main", "other"):
        relay(
            *("channel", "add", name, "--key", f"{name}|S", "--base-url", "http://127.0.0.1:1"),
            "--no-check",
        )
    yield relay
    assert relay.json("audit")["ok"]


def test_a_claimed_thing_is_listed(shop: Command) -> None:
    """An element lives on; a second claim of the same tenant's says that it was there."""
    first = shop.json("owner", "add", "acme", "main", "element", ELEMENT)
    again = shop.json("owner", "add", "acme", "main", "element", ELEMENT)
    told = shop("owner", "add", "acme", "main", "element", ELEMENT).stdout
    (row,) = shop.json("owner", "list")

    assert first == {"new": 1, "known": 0, "taken": []}
    assert again == {"new": 0, "known": 1, "taken": []}
    assert told == f"element {ELEMENT} is 'acme's on 'main' (it was before)\n"
    assert (row["tenant"], row["channel"], row["kind"], row["id"]) == (
        "acme",
        "main",
        "element",
        ELEMENT,
    )
    assert (row["expires_at"], row["deleted_at"], row["task_id"]) == (None, None, None)


def test_what_is_another_tenants_on_that_channel_is_refused(shop: Command) -> None:
    """Also if it expired or was deleted; on another channel, and of another kind, it is free."""
    shop("owner", "add", "acme", "main", "video", "7")
    for change in ("expires_at = now() - interval '1 day'", "deleted_at = now()"):
        execute(shop, f"UPDATE owners SET {change}")

        refused = shop.refused("owner", "add", "beta", "main", "video", "7")

        assert "1 of 1 are another tenant's on 'main' (7); nothing was written" in refused
    shop("owner", "add", "beta", "other", "video", "7")
    shop("owner", "add", "beta", "main", "audio", "7")
    assert [row["tenant"] for row in shop.json("owner", "list")] == ["beta", "beta", "acme"]


def test_many_are_imported_from_stdin(shop: Command) -> None:
    """One a line, each once, empty lines aside; it counts what was new."""
    shop("owner", "add", "acme", "main", "voice", "v-2")

    told = shop("owner", "import", "acme", "main", "voice", "-", stdin="v-1\n\n v-2 \r\nv-3\nv-1\n")

    assert told.stdout == "2 new, 1 were 'acme's before\n"
    listed = shop.json("owner", "list", "--tenant", "acme", "--kind", "voice")
    assert sorted(row["id"] for row in listed) == ["v-1", "v-2", "v-3"]


def test_an_import_with_another_tenants_id_writes_nothing(shop: Command) -> None:
    """25,000 ids, one of them taken: refused as a whole, and the id is named."""
    shop("owner", "add", "beta", "main", "element", "24000")
    lines = "\n".join(str(number) for number in range(25_000))

    refused = shop.refused("owner", "import", "acme", "main", "element", "-", stdin=lines)

    assert "1 of 25000 are another tenant's on 'main' (24000); nothing was written" in refused
    assert len(shop.json("owner", "list")) == 1
    shop("owner", "import", "acme", "other", "element", "-", stdin=lines)
    assert len(shop.json("owner", "list", "--limit", "100000")) == 25_001


@pytest.mark.parametrize(
    ("kind", "options", "days"),
    [
        ("video", (), 30),
        ("audio", (), 30),
        ("session", (), 1),
        ("video", ("--days", "12"), 12),
        ("element", ("--days", "12"), 12),
    ],
)
def test_a_claim_lives_as_long_as_kling_keeps_it(
    shop: Command, kind: str, options: tuple[str, ...], days: int
) -> None:
    """30 days for media, 24 hours for sessions, or as said."""
    shop("owner", "add", "acme", "main", kind, "7", *options)

    expires = datetime.fromisoformat(shop.json("owner", "list")[0]["expires_at"])

    assert abs(expires - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=5)


def test_a_second_claim_brings_back_what_was_deleted_or_expired(shop: Command) -> None:
    """The operator's word is newer than ours."""
    shop("owner", "add", "acme", "main", "video", "7")
    execute(shop, "UPDATE owners SET deleted_at = now(), expires_at = now()")

    shop("owner", "add", "acme", "main", "video", "7")

    (row,) = shop.json("owner", "list")
    assert row["deleted_at"] is None
    assert datetime.fromisoformat(row["expires_at"]) > datetime.now(UTC)


def test_what_cannot_be_claimed_is_said_in_a_sentence(shop: Command) -> None:
    """Names that there are not, ids that are none, a kind that there is not."""
    assert "there is no tenant 'acm'; did you mean 'acme'?" in shop.refused(
        "owner", "add", "acm", "main", "video", "7"
    )
    refused = shop.refused("owner", "add", "acme", "mian", "video", "7")
    assert "there is no channel 'mian'" in refused
    for bad in ("", " ", "a b", "x" * 257):
        assert shop.refused("owner", "add", "acme", "main", "video", bad, code=2)
    assert "No id was given" in shop.refused(
        "owner", "import", "acme", "main", "video", "-", stdin="\n", code=2
    )
    assert "'image'" in shop.refused("owner", "add", "acme", "main", "image", "7", code=2)
    assert shop.json("owner", "list") == []
    assert "relay owner add" in shop("owner", "list").stderr


def test_a_tenant_may_be_shown_its_quotes(shop: Command) -> None:
    """Off at first; on and off again."""
    assert shop.json("tenant", "list")[0]["shows_quote"] is False
    assert shop.json("tenant", "set", "acme", "--show-quote")["shows_quote"] is True
    assert shop.json("tenant", "set", "acme", "--multiplier", "2")["shows_quote"] is True
    assert shop.json("tenant", "set", "acme", "--no-show-quote")["shows_quote"] is False
    assert "Say what to change" in shop.refused("tenant", "set", "acme", code=2)


def test_a_tenants_creates_may_be_checked(shop: Command) -> None:
    """Off at first; on and off again, and shown."""
    assert "checks creates  no" in shop("tenant", "show", "acme").stdout
    assert shop.json("tenant", "set", "acme", "--lint")["lints_creates"] is True
    assert "checks creates  yes" in shop("tenant", "show", "acme").stdout
    assert shop.json("tenant", "set", "acme", "--no-lint")["lints_creates"] is False
