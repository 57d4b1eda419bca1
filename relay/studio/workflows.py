"""Workflows: any template by its name, and those of the documents by paths of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from relay.errors import RelayError, TemplateNotFound
from relay.kling.catalogue import Catalogue
from relay.money import decimal_of
from relay.runs.reuse import REUSE
from relay.runs.templates.given import check_given, unknown_in
from relay.runs.templates.planned import plan_of
from relay.runs.templates.read import Templates, read_templates
from relay.runs.templates.samples import sample_of
from relay.runs.templates.template import Input, InputType, StepTemplate, Template
from relay.settings import Settings
from relay.studio.behind import Visit
from relay.studio.capabilities.capability import Media
from relay.studio.creates import PREFIX, Asked, CreateAnswer, check_steps, client_of, start
from relay.studio.priced import CAP, Priced, price_plan, read_cap, within
from relay.studio.refusals import Refusal

log = structlog.get_logger()

KOUBO = ("digital-human", "batch-avatars", "product-showcase")
"""Templates that the documents give a path of their own, `koubo/…`."""


class OfferedInput(msgspec.Struct, frozen=True):
    """One input of a workflow."""

    name: str
    type: InputType
    of: InputType | None
    """What a list is of."""
    label: str
    is_required: bool
    needed_with: str | None
    is_whole: bool
    default: Any
    choices: tuple[Any, ...]
    least: float | None
    most: float | None


class OfferedStep(msgspec.Struct, frozen=True):
    """One create of Kling's in a workflow."""

    name: str
    endpoint: str
    when: tuple[str, ...]
    """Inputs without which it is not made."""
    each: str | None
    """The input for each of whose items it is made once."""


class OfferedWorkflow(msgspec.Struct, frozen=True):
    """One workflow; words are in the language that the request asks for."""

    name: str
    task_type: str
    path: str
    summary: str
    inputs: list[OfferedInput]
    either: tuple[tuple[str, ...], ...]
    """Of each group of inputs exactly one has to be given."""
    steps: list[OfferedStep]
    price: str | None
    """What it may cost with as little as can be given; null where a step has no price. What a
    body costs, `…/quote` says."""
    is_open: bool
    """Kling decides the length of a step: what it costs is that price at the most."""
    currency: str


class Workflows(msgspec.Struct, frozen=True):
    """All of them."""

    success: bool
    templates: list[OfferedWorkflow]


def open_templates(settings: Settings, catalogue: Catalogue) -> Templates:
    """Read the workflows of one relay; what of an operator's is wrong is told, and left out.

    Raises:
        WrongTemplate: the folder cannot be read.
    """
    templates = read_templates(settings.studio_templates, catalogue)
    for reason in templates.left_out:
        log.warning("template.left_out", reason=reason)
    return templates


def workflows() -> list[HTTPRouteHandler]:
    """Make the handlers of all paths."""
    own = [handler for name in KOUBO for handler in _koubo(name)]
    return [list_workflows, start_workflow, quote_workflow, *own]


@get(f"{PREFIX}/templates", tags=["workflows"])
async def list_workflows(request: Request[Any, Any, Any]) -> Workflows:
    """What workflows there are, with their inputs, and what each may cost at the least."""
    visit: Visit = request.scope["user"]
    found = visit.behind.templates.by_name.values()
    return Workflows(success=True, templates=[await _offered(visit, one) for one in found])


@post(f"{PREFIX}/templates/{{name:str}}", status_code=200, tags=["workflows"])
async def start_workflow(
    request: Request[Any, Any, Any],
    name: FromPath[str],
    data: JSONBody[dict[str, Any]],
    dry_run: FromQuery[bool] = False,  # noqa: FBT002 (a query's, by its name)
) -> Response[CreateAnswer | Priced | Refusal]:
    """Run a workflow. `cap` is what it may cost at the most; `dry_run=true` quotes it instead."""
    return await _start(request, name, data, dry_run=dry_run)


@post(f"{PREFIX}/templates/{{name:str}}/quote", status_code=200, tags=["workflows"])
async def quote_workflow(
    request: Request[Any, Any, Any], name: FromPath[str], data: JSONBody[dict[str, Any]]
) -> Priced:
    """What a workflow would cost with these inputs, in all and by step; nothing is written."""
    return await _quote(request.scope["user"], _named(request.scope["user"], name), data)


def _koubo(name: str) -> list[HTTPRouteHandler]:
    """Make the handlers of a workflow's own path."""

    async def start(
        request: Request[Any, Any, Any],
        data: JSONBody[dict[str, Any]],
        dry_run: FromQuery[bool] = False,  # noqa: FBT002
    ) -> Response[CreateAnswer | Priced | Refusal]:
        return await _start(request, name, data, dry_run=dry_run)

    async def price(request: Request[Any, Any, Any], data: JSONBody[dict[str, Any]]) -> Priced:
        return await _quote(request.scope["user"], _named(request.scope["user"], name), data)

    start.__name__ = name.replace("-", "_")
    price.__name__ = f"quote_{start.__name__}"
    path, about = f"{PREFIX}/koubo/{name}", f"The same as `templates/{name}`."
    start.__doc__ = price.__doc__ = about
    return [
        post(path, operation_id=start.__name__, status_code=200, tags=["workflows"])(start),
        post(f"{path}/quote", operation_id=price.__name__, status_code=200, tags=["workflows"])(
            price
        ),
    ]


async def _start(
    request: Request[Any, Any, Any], name: str, given: dict[str, Any], *, dry_run: bool
) -> Response[Any]:
    visit: Visit = request.scope["user"]
    template = _named(visit, name)
    if dry_run:
        return Response(await _quote(visit, template, given))
    async with ask_workflow(visit, template, given) as asked:
        return await start(visit, asked, client=client_of(request))


@asynccontextmanager
async def ask_workflow(
    visit: Visit, template: Template, given: dict[str, Any]
) -> AsyncIterator[Asked]:
    """Plan a workflow, with its files where Kling finds them.

    Raises:
        RelayError: it cannot be run so.
    """
    cap_micros = read_cap(given.get(CAP))
    values = check_given(template, given)
    notes = [
        f"{one} has no effect: {template.name} has no such input"
        for one in unknown_in(template, given)
        if one not in (CAP, REUSE)
    ]
    files = visit.behind.files.put_values(visit.caller.tenant_id, _media(template), values)
    async with files as put:
        shown = put.shown
        if cap_micros is not None:
            shown[CAP] = decimal_of(cap_micros)
        if given.get(REUSE) is not None:
            shown[REUSE] = given[REUSE]
        plan = plan_of(template, values)
        check_steps(visit, plan.steps)
        asked = Asked(plan, shown, notes, cap_micros, put.named)
        yield await within(visit, asked)


async def _quote(visit: Visit, template: Template, given: dict[str, Any]) -> Priced:
    cap_micros = read_cap(given.get(CAP))
    plan = plan_of(template, check_given(template, given))
    check_steps(visit, plan.steps)
    return await price_plan(visit, plan, cap_micros=cap_micros)


def _named(visit: Visit, name: str) -> Template:
    """Find a template.

    Raises:
        TemplateNotFound
    """
    found = visit.behind.templates.named(name)
    if found is None:
        raise TemplateNotFound(name, visit.behind.templates.by_name)
    return found


def _media(template: Template) -> list[Media]:
    return [
        Media(one.name, is_list=one.type is InputType.LIST, is_video=one.media is InputType.VIDEO)
        for one in template.inputs
        if one.media is not None
    ]


async def _offered(visit: Visit, template: Template) -> OfferedWorkflow:
    priced = None
    try:
        plan = plan_of(template, check_given(template, sample_of(template)))
        priced = await price_plan(visit, plan, is_wanted=False)
    except RelayError:
        pass  # it has no price, or is not for this caller
    return OfferedWorkflow(
        name=template.name,
        task_type=template.kind,
        path=f"{PREFIX}/templates/{template.name}",
        summary=template.summary.in_(visit.language),
        inputs=[_offered_input(one, visit.language) for one in template.inputs],
        either=template.written.either,
        steps=[_offered_step(one) for one in template.steps],
        price=None if priced is None else priced.total,
        is_open=priced is not None and priced.is_open,
        currency=visit.behind.settings.currency,
    )


def _offered_input(one: Input, language: str) -> OfferedInput:
    return OfferedInput(
        one.name,
        one.type,
        one.of if one.type is InputType.LIST else None,
        one.label.in_(language),
        one.is_required,
        one.needed_with,
        one.is_whole,
        one.default,
        one.choices,
        one.least,
        one.most,
    )


def _offered_step(step: StepTemplate) -> OfferedStep:
    return OfferedStep(step.name, step.endpoint, step.conditions, step.each)
