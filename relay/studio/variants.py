"""`POST /api/kling/variants`: the same create several times, to choose from."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, post
from litestar.params import FromQuery, JSONBody

from relay.errors import InvalidParameter
from relay.money import decimal_of
from relay.runs.plan import FROM, STEPS_MAX, Plan, PlannedStep
from relay.runs.reuse import REUSE
from relay.studio.behind import Visit
from relay.studio.capabilities import BY_NAME, Capability
from relay.studio.capabilities.capability import Body
from relay.studio.creates import (
    PREFIX,
    Asked,
    CreateAnswer,
    check_steps,
    client_of,
    refuse_holes,
    start,
)
from relay.studio.misfits import misfit_of
from relay.studio.priced import CAP, Priced, price_plan, read_cap, within
from relay.studio.refusals import Refusal

KIND = "variants"
USUAL, MOST = 3, 20


class VariantsBody(msgspec.Struct, kw_only=True):
    """What is made several times."""

    capability: str
    """A name that `capabilities` lists, such as `text_to_video`."""
    input: dict[str, Any]
    """The body of one."""
    n: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = USUAL
    cap: str | int | float | None = None
    """What all of them may cost at the most."""
    reuse_days: int | None = None
    """How old results of the very same request may be that are given again, at no charge."""


class Variants(Controller):
    """Several of the same."""

    path = f"{PREFIX}/variants"
    tags = ("workflows",)

    @post(status_code=200)
    async def make(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[VariantsBody],
        dry_run: FromQuery[bool] = False,  # noqa: FBT002 (a query's, by its name)
    ) -> Response[CreateAnswer | Priced | Refusal]:
        """Make the same several times. `dry_run=true` quotes it instead."""
        visit: Visit = request.scope["user"]
        if dry_run:
            return Response(await _quote(visit, data))
        async with ask_variants(visit, data) as asked:
            return await start(visit, asked, client=client_of(request))

    @post("/quote", status_code=200)
    async def price(self, request: Request[Any, Any, Any], data: JSONBody[VariantsBody]) -> Priced:
        """What that would cost, in all and by step; nothing is written."""
        return await _quote(request.scope["user"], data)


@asynccontextmanager
async def ask_variants(visit: Visit, data: VariantsBody) -> AsyncIterator[Asked]:
    """Plan several of the same.

    Raises:
        RelayError: they cannot be made.
    """
    capability, body = _read(data)
    cap_micros = read_cap(data.cap)
    async with visit.behind.files.put(visit.caller.tenant_id, capability, body) as put:
        asked: dict[str, Any] = {"capability": capability.name, "n": data.n, "input": put.shown}
        if cap_micros is not None:
            asked[CAP] = decimal_of(cap_micros)
        if data.reuse_days is not None:
            asked[REUSE] = data.reuse_days
        plan = await _plan(visit, capability, body, data.n)
        yield await within(visit, Asked(plan, asked, cap_micros=cap_micros, files=put.named))


async def _quote(visit: Visit, asked: VariantsBody) -> Priced:
    capability, body = _read(asked)
    plan = await _plan(visit, capability, body, asked.n)
    return await price_plan(visit, plan, cap_micros=read_cap(asked.cap))


def _read(asked: VariantsBody) -> tuple[Capability, Body]:
    """Read what is wanted as the capability's own path would.

    Raises:
        InvalidParameter
    """
    capability = BY_NAME.get(asked.capability.replace("-", "_"))
    if capability is None:
        raise InvalidParameter("capability", f"must be one of {', '.join(BY_NAME)}")
    refuse_holes(asked.input)
    try:
        return capability, msgspec.convert(asked.input, capability.body)
    except msgspec.ValidationError as error:
        raise misfit_of(str(error), "input") from error


async def _plan(visit: Visit, capability: Capability, body: Body, n: int) -> Plan:
    """Plan it n times: each by itself, so that one that fails takes none of the others with it.

    Raises:
        InvalidParameter: Kling would refuse it, or they are too many.
    """
    once = capability.steps(body, visit.behind.rules)
    if n * len(once) > STEPS_MAX:
        most = STEPS_MAX // len(once)
        raise InvalidParameter("n", f"must be at most {most} of {capability.name}")
    check_steps(visit, once)
    # Each costs what one of the capability's own path does, if that has a price of its own too.
    priced = await visit.behind.runs.beginner.price(
        visit.caller, Plan(capability.name, tuple(once))
    )
    return Plan(
        KIND, tuple(_twin(step, number) for number in range(1, n + 1) for step in priced.steps)
    )


def _twin(step: PlannedStep, number: int) -> PlannedStep:
    return msgspec.structs.replace(
        step,
        name=_name(step.name, number),
        body=_renamed(step.body, number),
        needs=tuple(_name(name, number) for name in step.needs),
    )


def _name(name: str, number: int) -> str:
    return f"{name}-{number}"


def _renamed(value: Any, number: int) -> Any:
    """Have each take what its own steps made."""
    if isinstance(value, dict):
        if FROM in value:
            return value | {FROM: _name(value[FROM], number)}
        return {name: _renamed(one, number) for name, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, number) for one in value]
    return value
