"""Whether Kling's accounts take tasks, and whether somebody is served by none of them."""

from collections.abc import Iterator
from datetime import datetime

from relay.channels.groups import TEST
from relay.channels.tables import Channel
from relay.desk.check.finding import Finding, bad, good, warning
from relay.health.read import Standing
from relay.health.rules import State
from relay.moments import spelt_moment
from relay.money import plain
from relay.tenants.tables import Tenant, Token

UNITS_DAYS_MIN = 3
NAMED_MAX = 5


def judge_channels(rows: list[Channel]) -> Finding:
    subject = "channels"
    enabled = [row.name for row in rows if row.enabled]
    if not rows:
        return bad(subject, "there are none", "`relay channel add NAME --base-url URL` adds one")
    if not enabled:
        return bad(
            subject, f"all {len(rows)} are disabled: submits are 503", "`relay channel enable NAME`"
        )
    return good(subject, f"enabled: {', '.join(enabled)}")


def judge_standings(
    rows: list[Channel], standings: dict[int, Standing], *, now: datetime
) -> Iterator[Finding]:
    """Name the channels that Kling keeps from new tasks."""
    for row in rows:
        if not row.enabled:
            continue
        standing = standings[row.id]
        yield from _judge_units(row.name, standing)
        said = f"{standing.state} since {spelt_moment(standing.since)}: {standing.reason}"
        if standing.state == State.PARKED:
            to_do = "buy units at Kling: it goes on by itself once there are some"
            yield bad(f"channel {row.name}", said, to_do)
        elif standing.state == State.REFUSED:
            to_do = "`relay channel show` says more; `relay channel set` gives new keys"
            yield bad(f"channel {row.name}", said, to_do)
        else:
            yield from _judge_cooling(row.name, standing, now=now)


def _judge_cooling(name: str, standing: Standing, *, now: datetime) -> Iterator[Finding]:
    """Name what keeps it for longer than Kling's pace does; that all slots are taken is good."""
    for part in standing.parts:
        if part.state == State.COOLING and part.is_trouble(now):
            yield warning(
                f"channel {name}",
                f"cooling since {spelt_moment(part.since)}: {part.reason}",
                "Kling is in trouble, or your way to it; `relay channel show` says when it is tried"
                " again",
            )


def _judge_units(name: str, standing: Standing) -> Iterator[Finding]:
    for units in standing.units:
        if units.days_left is not None and units.days_left < UNITS_DAYS_MIN:
            yield warning(
                f"units of {name}",
                f"{plain(units.remaining)} {units.kind}, for {units.days_left} days at the rate of"
                " late",
                "buy units at Kling; its figure is up to 12 hours old",
            )


def judge_groups(
    rows: list[Channel], tenants: list[Tenant], tokens: list[Token]
) -> Iterator[Finding]:
    """Name who names groups in which no channel stands that takes tasks: all is refused there."""
    on = [row for row in rows if row.enabled and not row.is_draining]
    served = {group for row in on if TEST not in row.groups for group in row.groups}
    unserved = [
        f"tenant {tenant.name} ({', '.join(tenant.groups)})"
        for tenant in tenants
        if tenant.enabled and tenant.groups is not None and served.isdisjoint(tenant.groups)
    ]
    unserved += [
        f"token {token.id} ({', '.join(token.groups)})"
        for token in tokens
        if token.revoked_at is None
        and token.groups is not None
        and not token.is_test
        and served.isdisjoint(token.groups)
    ]
    if unserved:
        more = f" and {len(unserved) - NAMED_MAX} more" if len(unserved) > NAMED_MAX else ""
        yield bad(
            "groups",
            f"no channel serves {', '.join(unserved[:NAMED_MAX])}{more}: creates are 503/5001",
            "`relay channel set NAME --group GROUP`, `relay tenant set NAME --group all`, or `relay"
            " token set ID --group tenant`",
        )
