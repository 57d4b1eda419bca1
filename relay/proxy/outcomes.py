"""What became of a request at Kling, told to the tenant: Kling's own bytes but for what is ours.

Source of what is replaced: promise T2.
"""

from decimal import Decimal
from typing import assert_never

import msgspec
import structlog
from msgspec import Raw

from relay.errors import TimedOut
from relay.kling.bare import no_verdict
from relay.kling.body import put_text, read_fields
from relay.kling.endpoint import Generation
from relay.kling.private import IN_REPLY, NOWHERE, without_private
from relay.kling.queried import spell_created
from relay.kling.transport import Reply
from relay.kling.verdicts import Accepted, Refused, Unknown
from relay.kling.wanted import Wanted
from relay.kling.wire import read_envelope
from relay.logs import RequestLine
from relay.pricing.book import ANY_ENDPOINT, FREE, Pack
from relay.pricing.quote import Quote, UnitPrices
from relay.proxy.answers import Sent, answer_data
from relay.proxy.query import shown_data
from relay.tasks.conclude import NotTaken, Replayed, Submitted, Waits
from relay.tasks.pass_through import Passed
from relay.tasks.task import TaskRow
from relay.tasks.view import Shown, show_data, show_refusal
from relay.tenants.caller import Caller

log = structlog.get_logger()

SERVER_ERROR = 500

NOTHING = Quote(
    row=FREE,
    wanted=Wanted(endpoint=ANY_ENDPOINT),
    pack=Pack.VIDEO,
    prices=UnitPrices(video_micros=0, image_micros=0),
    list_unit_micros=0,
    unit_micros=Decimal(0),
    seconds=0,
    is_open=False,
    hold_micros=0,
)


def tell_submitted(submitted: Submitted, line: RequestLine, generation: Generation) -> Sent:
    """Tell what became of a submit, and note it in the request's line.

    Raises:
        TimedOut, NoVerdict: nobody knows yet whether there is a task; its hold stays until Kling
            tells.
        Unavailable, NoRoom: no channel took it; its hold is given back.
    """
    task, reply, verdict = submitted.task, submitted.reply, submitted.verdict
    line.id, line.channel = task.id, submitted.channel
    match verdict:
        case Waits() | Replayed() if reply is None:
            return answer_data(_made(task, generation), line.request_id)
        case Accepted() | Replayed() | Waits():
            assert reply is not None, "what was accepted was accepted by a reply"
            return Sent(reply.status, _shown(submitted, reply))
        case Refused():
            assert reply is not None, "what was refused was refused by a reply"
            line.code = verdict.code
            return Sent(
                reply.status, _without_ours(submitted, reply), retry_after=reply.retry_after
            )
        case Unknown():
            if reply is None:
                raise TimedOut
            envelope = read_envelope(reply)
            if envelope is None:
                raise no_verdict(reply)
            if reply.status < SERVER_ERROR:
                raise TimedOut
            line.code = envelope.code
            return Sent(reply.status, _without_ours(submitted, reply))
        case NotTaken():
            raise verdict.told
        case _:
            assert_never(verdict)


def tell_called(passed: Passed, caller: Caller, line: RequestLine) -> Sent:
    """Tell what a free call came to; what it made is the tenant's own."""
    sent = tell_read(passed, line)
    if passed.envelope.code == 0 and isinstance(passed.envelope.data, Raw):
        shown = Shown(
            tenant_id=caller.tenant_id, tenant_external_id=None, quote=NOTHING, charged_micros=0
        )
        sent.body = show_data(_cleaned(passed.reply, caller.tenant_id), shown)
    return sent


def tell_read(passed: Passed, line: RequestLine) -> Sent:
    """Tell what all tenants share, in Kling's own bytes; an id of a request is told once."""
    line.channel, line.code = passed.channel, passed.envelope.code
    reply = passed.reply
    body = without_private(reply.body, NOWHERE, tenant_id=None)
    if passed.is_remembered:
        fields = read_fields(body)
        put_text(fields, ("request_id",), line.request_id)
        body = msgspec.json.encode(fields)
    return Sent(reply.status, body, retry_after=reply.retry_after)


def _made(task: TaskRow, generation: Generation) -> bytes:
    """Spell what a create is answered of which no reply of Kling's is kept.

    Of what waits in Kling's words for a create, under the id that it has for ever.
    """
    if task.public_id is None:
        return shown_data(task, generation)
    return spell_created(
        generation,
        id_=task.public_id,
        external_id=task.tenant_external_id,
        created_at=task.created_at,
    )


def _shown(submitted: Submitted, reply: Reply) -> bytes:
    task = submitted.task
    shown = Shown(
        tenant_id=task.tenant_id,
        tenant_external_id=task.tenant_external_id,
        quote=task.quote,
        charged_micros=submitted.charged_micros,
        given=task.given,
    )
    try:
        return show_data(_cleaned(reply, task.tenant_id), shown)
    except Exception as error:
        # Accepted all the same: the tenant finds it by its external id, or in the list.
        log.exception("submit.reply_unshown", id=task.id)
        raise TimedOut from error


def _cleaned(reply: Reply, tenant_id: int) -> bytes:
    return without_private(reply.body, IN_REPLY, tenant_id=tenant_id)


def _without_ours(submitted: Submitted, reply: Reply) -> bytes:
    task = submitted.task
    body = without_private(reply.body, NOWHERE, tenant_id=task.tenant_id)
    return show_refusal(body, injected_id=task.injected_id, own_id=task.tenant_external_id)
