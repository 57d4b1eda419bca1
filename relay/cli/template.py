"""`relay template`: workflows as data, those of the package and the operator's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.examples import examples
from relay.cli.show import json_option, note, print_json, print_pairs, print_table, yes_no
from relay.cli.template_named import named_template, read_all
from relay.cli.template_try import try_template

if TYPE_CHECKING:
    from relay.runs.templates.template import Input, Template


@click.group()
def template() -> None:
    """See workflows that tenants can run, and try one with a key for tests.

    Each is a TOML file. RELAY_STUDIO_TEMPLATES names a folder of your own: a file there goes before
    the package's of the same name. `relay serve` reads them when it starts.
    """


template.add_command(try_template)


@template.command("list")
@json_option
@examples("relay template list")
def list_command(*, as_json: bool) -> None:
    """List all workflows, and say what is wrong with files that are left out."""
    found = read_all()
    if as_json:
        print_json(
            {
                "templates": [_shown(one) for one in found.by_name.values()],
                "left_out": found.left_out,
            }
        )
        return
    print_table(
        ["template", "of", ">steps", "needs", "what it makes"],
        [
            (
                one.name,
                "the package" if one.is_ours else "yours",
                str(len(one.steps)),
                _needs(one),
                one.summary.en,
            )
            for one in found.by_name.values()
        ],
        empty="There is none.",
    )
    for reason in found.left_out:
        note(f"left out: {reason}")


@template.command("show")
@click.argument("name", help="The template's name.")
@click.option("--tenant", help="Price it for this tenant. Default: one without prices of its own.")
@json_option
@examples("relay template show digital-human", "relay template show digital-human --tenant acme")
def show_command(name: str, tenant: str | None, *, as_json: bool) -> None:
    """Show a workflow's inputs and steps, and what each step may cost at the most.

    It is priced with as little as can be given, for the longest result where Kling decides the
    length; POST /api/kling/templates/NAME/quote says what
    certain inputs cost.
    """
    from relay.cli.template_price import price_of
    from relay.money import money

    one = named_template(name)
    priced = price_of(one, tenant)
    if as_json:
        print_json(
            _shown(one)
            | {
                "currency": priced.currency,
                "price_micros": priced.total_micros,
                "step_prices_micros": dict(priced.steps),
            }
        )
        return
    total = priced.total_micros
    print_pairs(
        [
            ("template", one.name),
            ("of", "the package" if one.is_ours else "RELAY_STUDIO_TEMPLATES"),
            ("what it makes", one.summary.en),
            ("may cost", "-" if total is None else money(total, priced.currency)),
            *(("one of", " or ".join(group)) for group in one.written.either),
        ]
    )
    click.echo()
    print_table(
        ["input", "what", "needed", "default", "may be"],
        [
            (
                given.name,
                _kind(given),
                f"with {given.needed_with}" if given.needed_with else yes_no(given.is_required),
                "" if given.default is None else str(given.default),
                _bounds(given),
            )
            for given in one.inputs
        ],
        empty="It takes no input.",
    )
    click.echo()
    costs = dict(priced.steps)
    print_table(
        ["step", "endpoint", "when given", "for each", ">may cost"],
        [
            (
                step.name,
                step.endpoint,
                ", ".join(step.conditions) or "-",
                step.each or "-",
                _spelt_cost(costs, step.name, priced.currency),
            )
            for step in one.steps
        ],
        empty="It has no steps.",
    )
    if priced.unpriced is not None:
        note(
            f"\nNo row prices {priced.unpriced}: such a run is refused."
            " `relay price set` makes one."
        )


def _shown(one: Template) -> dict[str, object]:
    return {
        "name": one.name,
        "is_ours": one.is_ours,
        "summary": one.summary,
        "inputs": one.inputs,
        "either": one.written.either,
        "steps": one.steps,
    }


def _needs(one: Template) -> str:
    needed = [given.name for given in one.inputs if given.is_required]
    return ", ".join([*needed, *("/".join(group) for group in one.written.either)])


def _kind(given: Input) -> str:
    return f"list of {given.of.value}s" if given.type.value == "list" else given.type.value


def _bounds(given: Input) -> str:
    if given.choices:
        return ", ".join(map(str, given.choices))
    of = {"text": " characters", "list": " items"}.get(given.type.value, "")
    if given.least is None:
        return "" if given.most is None else f"at most {given.most}{of}"
    if given.most is None:
        return f"at least {given.least}{of}"
    return f"{given.least} to {given.most}{of}"


def _spelt_cost(costs: dict[str, int], name: str, currency: str) -> str:
    from relay.money import money

    twins = [micros for step, micros in costs.items() if step in (name, f"{name}-1")]
    return money(twins[0], currency) if twins else "-"
