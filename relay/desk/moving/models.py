"""Names that channels of a new-api give to models: known here on new-api's own paths."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.moving.plan import ModelLine, Verdict
from relay.desk.moving.prices import klings_names
from relay.new_api.moved import KEY_CHARS_MAX
from relay.new_api.rows import Channel
from relay.new_api.tables import MovedModel
from relay.pricing.official import KLINGS_MODELS


async def plan_models(
    session: AsyncSession, channels: Iterable[Channel], source: str
) -> list[ModelLine]:
    """Plan each name that is not Kling's own.

    What was moved before is made what it is there by now: a name is no money, and who sells by it
    changes it there until he has moved.
    """
    rows = await session.execute(select(MovedModel.name, MovedModel.model, MovedModel.source))
    here = {name: (model, of) for name, model, of in rows}
    lines = []
    for name, meant in sorted(klings_names(channels).items()):
        if meant == {name}:
            continue
        model = ", ".join(sorted(meant))
        if why := _why_not(name, meant):
            lines.append(ModelLine(Verdict.LEFT_OUT, name, model, why))
        elif name not in here:
            lines.append(ModelLine(Verdict.NEW, name, model))
        elif here[name][0] == model:
            lines.append(ModelLine(Verdict.SAME, name, model))
        elif here[name][1] == source:
            was = f"it was {here[name][0]}"
            lines.append(ModelLine(Verdict.CORRECTED, name, model, was))
        else:
            other = f"by '{here[name][1]}' it is {here[name][0]} here"
            lines.append(ModelLine(Verdict.DIFFERS, name, model, other))
    return lines


def _why_not(name: str, meant: set[str]) -> str:
    if name in KLINGS_MODELS:
        return "it is Kling's own name, and means that model here"
    if len(meant) > 1:
        return "channels there differ in what it is"
    return "" if len(name) <= KEY_CHARS_MAX else f"it is longer than {KEY_CHARS_MAX} characters"
