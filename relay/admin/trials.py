"""Trials of channels: one real task each, which is paid, made in the background."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk, at_desk_by_key, encoded
from relay.admin.bodies import Micros, PathName, channel_of
from relay.admin.routes import acts
from relay.desk.actor import Actor
from relay.desk.trials import WAIT_S, BegunTrial, begin_trial
from relay.trial.kept import ShownTrial, TrialState, read_trial

OF_A_TRIAL = acts("channel.try", 404)
OF_A_TRIAL["responses"][HTTP_200_OK] = ResponseSpec(
    ShownTrial, description="How it went, asked for again by the same key", generate_examples=False
)


class NewTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    max_cost_micros: Micros
    """The most it may cost at Kling's list price; what would cost more is not sent."""
    endpoint: str | None = None
    """`generations`, `text2video` or `text-to-video`; null is the cheapest that the keys allow."""
    wait_s: Annotated[float, Meta(ge=1, le=7200)] = WAIT_S
    """How long to wait for its end."""


class TrialId(msgspec.Struct, frozen=True):
    """What is kept under a key: how the trial goes is read anew each time."""

    id: int


class Trials(Controller):
    path = "/admin/v1/channels"
    tags = ("Channels",)

    @post(
        "/{channel:str}/try",
        **OF_A_TRIAL,
        status_code=HTTP_202_ACCEPTED,
        dependencies={"desk": Provide(at_desk_by_key, sync_to_thread=False)},
    )
    async def try_channel(
        self, desk: NamedDependency[AtDesk], channel: PathName, data: JSONBody[NewTrial]
    ) -> Response[ShownTrial]:
        """Make one real task on a channel's account, which is paid, and see what Kling does.

        Answered as soon as it is begun. The same request with the same key says how it goes, and
        with 200 how it went, and makes no other one, whatever became of the relay meanwhile;
        `last_trial` of the channel says the same.
        """
        begun: list[BegunTrial] = []

        async def work(session: AsyncSession, actor: Actor) -> TrialId:
            one = await begin_trial(
                *(session, actor, desk.keys, desk.settings, await channel_of(session, channel)),
                most_micros=data.max_cost_micros,
                endpoint=data.endpoint,
                wait_s=data.wait_s,
            )
            begun.append(one)
            return TrialId(one.id)

        kept = await desk.act(work, status=HTTP_202_ACCEPTED)
        for one in begun:  # committed by now; none if it was begun before under this key
            desk.office.trials.start(one)
        async with desk.office.reading() as session:
            trial_id = msgspec.json.decode(bytes(kept.content), type=TrialId).id
            shown = await read_trial(session, trial_id)
        is_going_on = shown.state is TrialState.RUNNING
        status = HTTP_202_ACCEPTED if is_going_on else HTTP_200_OK
        answer: Response[Any] = Response(msgspec.Raw(encoded(shown)), status_code=status)
        return answer
