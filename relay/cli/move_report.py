"""What a move would do, for the person who decides it: first what keeps it from being done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.show import moment, print_pairs, print_table, printable
from relay.money import decimal_of, money, plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from relay.desk.moving.plan import ChannelLine, CodeLine, Compared, KeyLine, Plan, TenantLine

TENANTS_MAX = 200
"""Lines of tenants that are alike and unremarkable are counted beyond that."""
RUNNING_MAX = 5
NAMED_MAX = 5


def report(plan: Plan, tasks: int) -> None:
    """Print a plan; `tasks`: how many have ended there."""
    currency = plan.choices.currency
    opened = plan.tenants_to_open
    counted = Counter(line.verdict.value for line in plan.tenants)
    keys = Counter(one.verdict.value for line in plan.tenants for one in line.keys)
    said = "" if plan.is_units_said else ", its default: no option says how many"
    rate = "" if currency == "USD" else f", at {plain(plan.choices.rate)} {currency} a dollar"
    print_pairs(
        [
            ("from", f"{plan.where} ({plan.version})"),
            ("called", plan.choices.source),
            ("counts in", f"{plain(plan.units_per_usd)} units a dollar{said}{rate}"),
            ("last used there", moment(plan.used_at)),
            ("tenants", _counts(counted)),
            ("keys", _counts(keys)),
            ("balances of new ones", money(sum(line.micros for line in opened), currency)),
            ("channels", _counts(Counter(line.verdict.value for line in plan.channels))),
            ("names of models", _counts(Counter(line.verdict.value for line in plan.models))),
            ("prices", _counts(Counter(line.verdict.value for line in plan.prices))),
            ("redeem codes", _counts(Counter(line.verdict.value for line in plan.codes))),
            ("tasks that ended", f"{tasks}: their ids go on being answered"),
            ("users without anything", str(plan.idle_users) if plan.idle_users else None),
        ]
    )
    _warn(plan)
    click.echo("\nChannels")
    _channels(plan.channels)
    if plan.models:
        click.echo("\nNames of models, known on new-api's own paths (RELAY_NEW_API_PATHS)")
        print_table(
            ["", "name there", "Kling's", "note"],
            [(one.verdict.value, one.name, one.model, one.note or "-") for one in plan.models],
            empty="",
        )
    click.echo("\nTenants")
    _tenants(plan.tenants, currency)
    noted = [(line, one) for line in plan.tenants for one in line.keys if one.note or one.limits]
    if noted:
        click.echo("\nKeys that are not taken over, or with what limits them")
        _keys(noted)
    if plan.codes:
        click.echo("\nRedeem codes")
        _codes(plan.codes, currency)
    click.echo("\nPrices of a clip of 5 s in std from text, there against here after this")
    _compared(plan.compared, currency)
    click.echo("\nNot taken over")
    for sentence in plan.not_taken or ["nothing else was found"]:
        click.echo(f"  {printable(sentence)}")


def described(plan: Plan, tasks: int) -> dict[str, Any]:
    """Put a plan into one document, without a key of anybody's."""
    return {
        "from": plan.where,
        "version": plan.version,
        "source": plan.choices.source,
        "currency": plan.choices.currency,
        "rate": plan.choices.rate,
        "units_per_usd": plan.units_per_usd,
        "used_at": plan.used_at,
        "running": plan.running,
        "is_at_rest": plan.is_at_rest,
        "channels": [_channel(line) for line in plan.channels],
        "models": plan.models,
        "tenants": [_tenant(line) for line in plan.tenants],
        "prices": [
            {
                "verdict": line.verdict,
                "price_group": line.row.price_group,
                "endpoint": line.row.endpoint,
                "model": line.row.model,
                "amount_micros": line.row.amount_micros,
                "here_micros": line.here_micros,
            }
            for line in plan.prices
        ],
        "codes": [
            {
                "verdict": line.verdict,
                "id": line.id,
                "amount_micros": line.code.amount_micros,
                "expires_at": line.code.expires_at,
                "note": line.note,
            }
            for line in plan.codes
        ],
        "codes_gone": plan.codes_gone,
        "compared": plan.compared,
        "ended_tasks": tasks,
        "idle_users": plan.idle_users,
        "not_taken": plan.not_taken,
    }


def _warn(plan: Plan) -> None:
    """Say first what is to be looked at."""
    warnings = []
    if plan.running:
        some = ", ".join(plan.running[:RUNNING_MAX])
        more = ", …" if len(plan.running) > RUNNING_MAX else ""
        warnings.append(f"{len(plan.running)} tasks run there ({some}{more}): let them end first")
    if not plan.is_quiet:
        warnings.append("it was used within the last minute: stop it, or balances are old by then")
    below = {line.name for line in plan.tenants if line.micros < 0}
    if below:
        warnings.append(f"below zero there, and here: {_some(below)}")
    differing = {
        one.tenant for one in plan.compared if one.there_micros is not None and not one.is_same
    }
    if differing:
        warnings.append(
            f"prices are not those of there for {_some(differing)}: see the table of prices"
        )
    if plan.codes_gone:
        named = ", ".join(map(str, plan.codes_gone[:NAMED_MAX]))
        more = ", …" if len(plan.codes_gone) > NAMED_MAX else ""
        warnings.append(
            f"codes that were moved are used or off there by now, and free here: {named}{more}"
            f" (`relay code revoke '{plan.choices.source} codes' --code …`)"
        )
    changed = {line.name for line in plan.tenants if line.verdict.value == "differs"}
    if changed:
        warnings.append(
            f"what is left there changed since, and stays as it is here: {_some(changed)}"
        )
    click.echo("\nBefore you go on" if warnings else "\nNothing stands against it")
    for warning in warnings:
        click.echo(f"  {printable(warning)}")


def _some(names: Collection[str]) -> str:
    """Name a few of many."""
    named = ", ".join(sorted(names)[:NAMED_MAX])
    return named if len(names) <= NAMED_MAX else f"{named} and {len(names) - NAMED_MAX} more"


def _channels(lines: Iterable[ChannelLine]) -> None:
    print_table(
        ["", "name", "of there", "leads to", "groups", "models", "on", "proxy", "note"],
        [
            (
                line.verdict.value,
                line.name,
                ", ".join(line.of),
                line.base_url or ("Kling's host for its keys" if line.keys else "-"),
                ", ".join(line.groups) or "-",
                (str(len(line.models)) if line.models else "all") if line.keys else "-",
                ("yes" if line.is_enabled else "no") if line.keys else "-",
                str(line.proxy or "-"),
                line.note,
            )
            for line in lines
        ],
        empty="  There is none of Kling's.",
    )


def _tenants(lines: list[TenantLine], currency: str) -> None:
    noted = [line for line in lines if line.note or not line.is_enabled or line.micros < 0]
    others = [line for line in lines if line not in noted]
    shown = sorted(
        [*noted, *others[: max(0, TENANTS_MAX - len(noted))]], key=lambda line: line.user_id
    )
    print_table(
        [
            "",
            "user",
            "name",
            ">left there",
            f">{currency}",
            ">moved before",
            "prices",
            ">keys",
            "note",
        ],
        [
            (
                line.verdict.value,
                str(line.user_id),
                line.name,
                str(line.units),
                decimal_of(line.micros),
                "-" if line.moved_micros is None else decimal_of(line.moved_micros),
                line.price_group or "-",
                str(sum(one.verdict.value in ("new", "same") for one in line.keys)),
                "; ".join(filter(None, (line.note, "" if line.is_enabled else "off there"))),
            )
            for line in shown
        ],
        empty="  There are none with a key or a balance.",
    )
    if len(shown) < len(lines):
        click.echo(f"  and {len(lines) - len(shown)} more: --format json has all")


def _keys(lines: Iterable[tuple[TenantLine, KeyLine]]) -> None:
    print_table(
        ["", "tenant", "key", "name there", "why not", "limited to"],
        [
            (
                one.verdict.value,
                line.name,
                _hint(one),
                one.key.name or "-",
                one.note or "-",
                "; ".join(one.limits) or "-",
            )
            for line, one in lines
        ],
        empty="",
    )


def _codes(lines: list[CodeLine], currency: str) -> None:
    """Print what each verdict comes to; why codes are left out, for each reason."""
    alike: dict[tuple[str, str], list[CodeLine]] = {}
    for line in lines:
        alike.setdefault((line.verdict.value, line.note), []).append(line)
    print_table(
        ["", ">codes", ">in all", "why not"],
        [
            (
                *(verdict, str(len(some))),
                money(sum(line.code.amount_micros for line in some), currency),
                note or "-",
            )
            for (verdict, note), some in alike.items()
        ],
        empty="",
    )


def _compared(lines: list[Compared], currency: str) -> None:
    """Print tenants that pay the same for the same in one line."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for one in lines:
        key = (one.using, one.model, one.there_micros, one.here_micros)
        alike.setdefault(key, []).append(one.tenant)
    print_table(
        ["tenants", "group there", "model", f">there, {currency}", f">here, {currency}", ""],
        [
            (
                tenants[0] if len(tenants) == 1 else f"{len(tenants)} tenants",
                str(using),
                str(model),
                _price(there),
                _price(here),
                _verdict(there, here),
            )
            for (using, model, there, here), tenants in alike.items()
        ],
        empty="  Nothing of Kling's is sold there.",
    )


def _verdict(there: object, here: object) -> str:
    if there is None:
        return "not sold there"
    return "same" if there == here else "differs"


def _price(micros: object) -> str:
    return decimal_of(micros) if isinstance(micros, int) else "no price"


def _channel(line: ChannelLine) -> dict[str, Any]:
    return {
        "verdict": line.verdict,
        "name": line.name,
        "of": line.of,
        "access_key": None if line.keys is None else line.keys.access_key,
        "base_url": line.base_url,
        "groups": line.groups,
        "models": line.models,
        "priority": line.priority,
        "weight": line.weight,
        "proxy": None if line.proxy is None else str(line.proxy),
        "is_enabled": line.is_enabled,
        "note": line.note,
    }


def _tenant(line: TenantLine) -> dict[str, Any]:
    return {
        "verdict": line.verdict,
        "user_id": line.user_id,
        "username": line.username,
        "name": line.name,
        "units": line.units,
        "quota_micros": line.micros,
        "moved_micros": line.moved_micros,
        "price_group": line.price_group,
        "groups": line.groups,
        "is_enabled": line.is_enabled,
        "note": line.note,
        "keys": [
            {
                "verdict": one.verdict,
                "id": one.key.id,
                "name": one.key.name,
                "hint": _hint(one),
                "groups": one.groups,
                "note": one.note,
                "limits": one.limits,
            }
            for one in line.keys
        ],
    }


def _hint(one: KeyLine) -> str:
    return f"…{one.key.secret[-4:]}"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {word}" for word, number in counted.items()) or "none"
