"""A channel as its commands show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.show import fields_of, moment, print_json, print_table, yes_no

if TYPE_CHECKING:
    from relay.channels.tables import Channel
    from relay.health.read import Standing


def described(row: Channel) -> dict[str, object]:
    """Put a row into one document, without its keys."""
    from relay.desk.shown import shown_channel

    return fields_of(shown_channel(row))


def show_row(row: Channel, *, as_json: bool) -> None:
    """Print the one that was changed."""
    if as_json:
        print_json(described(row))
    else:
        print_rows([row], {})


def print_rows(rows: list[Channel], standings: dict[int, Standing]) -> None:
    """Print a table: how they do, or where that was not asked for, how they are set up."""
    columns = ["enabled", "access key", "API key", "webhook secret", "lookup"]
    if standings:
        columns = ["state", "room", ">success", ">delay", "units"]
    print_table(
        [
            *("channel", *columns, ">priority", ">weight", "groups", "base URL", "last callback"),
            *(["last error"] if standings else []),
        ],
        [
            (
                row.name,
                *(_doing(standings[row.id]) if standings else _set_up(row)),
                str(row.priority),
                str(row.weight),
                ", ".join(row.groups) or "-",
                row.base_url,
                moment(row.callback_at),
                *([_last_error(standings[row.id])] if standings else []),
            )
            for row in rows
        ],
        empty="There are no channels yet: `relay channel add NAME --base-url URL` adds one.",
    )


def room_word(standing: Standing) -> str:
    """Say how many tasks run, of how many that may: `3/5 video/kling-v3`."""
    from relay.health.read import rooms

    said = [
        f"{one.taken} {one.of}" if one.room is None else f"{one.taken}/{one.room} {one.of}"
        for one in rooms(standing)
    ]
    return ", ".join(said) or "-"


def success_word(standing: Standing) -> str:
    if not standing.ended:
        return "-"
    return f"{100 * standing.succeeded // standing.ended} % of {standing.ended}"


def delay_word(standing: Standing) -> str:
    return "-" if standing.median_s is None else f"{standing.median_s:.0f} s"


def units_word(standing: Standing) -> str:
    """Say what is left: `8,200 video (12.5 days)`."""
    said = []
    for units in standing.units:
        days = "" if units.days_left is None else f" ({units.days_left} days)"
        said.append(f"{units.remaining:,.0f} {units.kind}{days}")
    return ", ".join(said) or "-"


def _doing(standing: Standing) -> tuple[str, ...]:
    since = "" if standing.since is None else f" since {moment(standing.since)}"
    state = standing.state + ("" if standing.state == "ok" else since)
    room, units = room_word(standing), units_word(standing)
    return state, room, success_word(standing), delay_word(standing), units


def _set_up(row: Channel) -> tuple[str, ...]:
    from relay.desk.shown import shortened

    return (
        "draining" if row.is_draining else yes_no(row.enabled),
        shortened(row.access_key) or "-",
        yes_no(row.api_key_sealed),
        yes_no(row.webhook_secret_sealed),
        lookup_word(row),
    )


def _last_error(standing: Standing) -> str:
    if standing.last_error is None:
        return "-"
    return f"{moment(standing.last_error_at)} {standing.reason or standing.last_error}"


def lookup_word(row: Channel) -> str:
    """Say whether "not found" is believed there, and of which lookups (`channel try`)."""
    if row.is_sandbox:
        return "sandbox"
    return ", ".join(row.confirmed_lookups) or "not tried"
