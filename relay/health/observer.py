"""What every call to Kling shows of its channel: told by the one place that makes them."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import structlog

from relay.channels.opened import OpenedChannel
from relay.choices import RoomScope
from relay.database.faults import log_failure
from relay.health.board import REASON_CHARS, Board
from relay.health.condition import Admission, Condition, Key, pause_s, rule_of
from relay.health.room import set_limit
from relay.health.rules import (
    FAILURES_OF_ONE,
    FAILURES_OF_SEVERAL,
    GRAVITY,
    RULES,
    TROUBLE,
    UNREACHABLE,
    Part,
    Rule,
    State,
)
from relay.health.suspects import Who, who_of
from relay.kling.codes import TROUBLE_MIN
from relay.kling.outcome import is_plain_success
from relay.kling.transport import NotSent, NoUsableReply, Reply
from relay.kling.wire import read_envelope, says_not_found

log = structlog.get_logger()

_SERVER_ERROR, _TIMED_OUT = 500, 408


class _Said(NamedTuple):
    """What came of a call, for operators."""

    code: int | None
    reason: str
    retry_after: str = ""


class _Streak:
    """Creates in a row that ended in trouble, or calls that reached nobody."""

    def __init__(self) -> None:
        self.creates = 0
        self.whose: set[Who] = set()
        self.unreached = 0


class Observer:
    """Learns, for the board to know."""

    def __init__(self, board: Board, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._clock = clock
        self._streaks: defaultdict[int, _Streak] = defaultdict(_Streak)

    def answered(self, channel: OpenedChannel, admission: Admission | None, reply: Reply) -> None:
        """Learn from an answer; `admission` of what costs, None of all else."""
        streak = self._streaks.get(channel.id)
        if streak is not None:
            streak.unreached = 0
        is_fine = reply.status < 400  # noqa: PLR2004 (HTTP's own number)
        has_more = streak is not None or self._board.has_of(channel)
        if is_fine and not has_more and (admission is None or is_plain_success(reply)):
            return
        unreached = self._unreached(channel)
        if unreached is not None:
            self._board.end(unreached)
        if admission is None and is_fine:
            return
        envelope = read_envelope(reply)
        code = None if envelope is None else envelope.code
        message = "" if envelope is None else envelope.message
        is_trouble = (
            code is None
            or reply.status >= _SERVER_ERROR
            or reply.status == _TIMED_OUT
            or code >= TROUBLE_MIN
        )
        if is_trouble:
            if admission is not None:
                self._trouble(channel, admission, code, f"HTTP {reply.status} {message}")
            return
        assert code is not None, "without one it is trouble"
        rule = RULES.get(code)
        if reply.is_bare and rule is not None:
            if admission is not None:
                # Of something before Kling, which may have been turned away for what it is.
                self._trouble(channel, admission, None, message)
            return
        if admission is None and rule is not None and not rule.is_probed:
            return  # of the pace of questions, and not of creates
        self._learn(
            channel, admission, rule, _Said(code, f"code {code} {message}", reply.retry_after)
        )

    def failed(
        self, channel: OpenedChannel, admission: Admission | None, error: NoUsableReply
    ) -> None:
        """Learn from a call without an answer."""
        if not isinstance(error, NotSent):
            if admission is not None:
                self._trouble(channel, admission, None, error.reason)
            return
        streak = self._streaks[channel.id]
        streak.unreached += 1
        said = _Said(None, f"not sent: {error.reason}")
        self._learn_of_several(
            channel,
            admission,
            UNREACHABLE,
            said,
            are_enough=streak.unreached >= FAILURES_OF_SEVERAL,
        )

    def settle_probe(self, condition: Condition, reply: Reply) -> None:
        """Take note of what a free question showed; it asked for what is not there."""
        envelope = read_envelope(reply)
        said = f"code {envelope.code} {envelope.message}" if envelope else f"HTTP {reply.status}"
        rule = None if envelope is None else RULES.get(envelope.code)
        if says_not_found(reply) or rule_of(condition) is UNREACHABLE:
            self._board.end(condition)
        elif rule is rule_of(condition) and not reply.is_bare:
            self._board.again(condition, f"probe: {said}")
        else:
            self._board.postpone(condition)

    def fail_probe(self, condition: Condition, error: NoUsableReply) -> None:
        """Take note that it had no answer, which says nothing of keys."""
        if rule_of(condition) is UNREACHABLE:
            self._board.again(condition, f"probe: {error.reason}")
        else:
            self._board.postpone(condition)

    def units_are_back(self, channel_id: int, pack: str) -> None:
        """Take note that there are units again: of a pack, or '' of the account."""
        condition = self._board.known((channel_id, pack, ""))
        if condition is not None and condition.state is State.PARKED:
            self._board.end(condition)

    def _unreached(self, channel: OpenedChannel) -> Condition | None:
        """Find that it could not be reached, which any answer disproves."""
        known = self._board.known((channel.id, "", ""))
        if known is None or known.state is State.OK or rule_of(known) is not UNREACHABLE:
            return None
        return known

    def _trouble(
        self, channel: OpenedChannel, admission: Admission, code: int | None, reason: str
    ) -> None:
        if admission.need.has_failed:
            # Of itself alone, by now: others tell how the channel does.
            for condition in admission.tries:
                self._board.postpone(condition)
            return
        streak = self._streaks[channel.id]
        streak.creates += 1
        streak.whose.add(who_of(admission.need))
        tenants = {tenant_id for tenant_id, _ in streak.whose}
        enough = FAILURES_OF_ONE if len(tenants) == 1 else FAILURES_OF_SEVERAL
        are_enough = streak.creates >= enough
        said = _Said(code, reason)
        self._learn_of_several(channel, admission, TROUBLE, said, are_enough=are_enough)
        if are_enough:
            self._board.suspects.see((channel.id, "", ""), streak.whose)

    def _learn_of_several(
        self,
        channel: OpenedChannel,
        admission: Admission | None,
        rule: Rule,
        said: _Said,
        *,
        are_enough: bool,
    ) -> None:
        """Learn from what is nothing by itself: if it is known, or there were enough in a row."""
        tries = () if admission is None else admission.tries
        if are_enough or any(rule_of(condition) is rule for condition in tries):
            self._learn(channel, admission, rule, said)
            return
        for condition in tries:
            self._board.postpone(condition)

    def _learn(
        self,
        channel: OpenedChannel,
        admission: Admission | None,
        rule: Rule | None,
        said: _Said,
    ) -> None:
        """Conclude what an answer, or its lack, says of what is known and of what it is about."""
        if admission is not None and (rule is None or rule.part is not Part.ACCOUNT):
            self._streaks.pop(channel.id, None)  # Kling reads and judges its creates
        at = _key_of(channel, admission, rule)
        is_seen = admission is not None and self._settle_tries(admission, at, rule, said)
        if rule is None or is_seen:
            return
        if rule.part is Part.ROOM:
            assert admission is not None, "questions take no slots"
            if admission.need.slots:  # without one it is of their pace, which says nothing of them
                self._board.spawn(self._note_full(channel, admission, rule, said))
            return
        known = self._board.known(at)
        if known is not None and GRAVITY[known.state] >= GRAVITY[rule.state]:
            return  # known, and who may try tells
        tries = self._tries(known, rule)
        self._board.mark(
            Condition(
                *at,
                state=rule.state,
                code=said.code,
                reason=said.reason[:REASON_CHARS],
                try_at_s=self._clock() + pause_s(rule, tries, said.retry_after),
                tries=tries,
                is_probed=rule.is_probed,
            )
        )

    def _tries(self, before: Condition | None, rule: Rule) -> int:
        """Say how often its end was not shown, or not for long, the last time; 0 if long ago."""
        if before is None or rule_of(before) is not rule:
            return 0
        is_lately = self._clock() < before.try_at_s + rule.pause_most_s
        return before.tries if is_lately else 0

    def _settle_tries(self, admission: Admission, at: Key, rule: Rule | None, said: _Said) -> bool:
        """Say of what it was to show the end of whether it is over; True if one is not."""
        is_seen = False
        for condition in admission.tries:
            known = self._board.known(condition.key)
            if said.code == 0:
                self._board.end(condition, slots_more=admission.need.slots)
            elif known is not None and known.state is not condition.state:
                pass  # another answer has settled it meanwhile
            elif rule is not None and rule_of(condition) is rule:
                need = admission.need if rule is TROUBLE else None
                self._board.again(condition, said.reason, need=need)
                is_seen = True
            elif rule is None and condition.key == at and condition.state is State.COOLING:
                self._board.end(condition)  # it was read, and refused for what it is
            else:
                self._board.postpone(condition)
        return is_seen

    async def _note_full(
        self, channel: OpenedChannel, admission: Admission, rule: Rule, said: _Said
    ) -> None:
        """Learn from a 1303 how many slots there are: one less than would run with the one refused.

        That is as many as run now, if that one takes a single slot; and may be more if it does not.
        Of the model, unless it has had more, or has none now, while others of its pack run: then
        the pack's are what is over. Where as many run as is known nothing is learned: another
        replica's was quicker to the last slot.
        """
        need, room = admission.need, self._board.room
        of_model, of_pack = (channel.id, need.pack, need.model), (channel.id, need.pack, "")
        try:
            counts = await room.running_beside(channel.id, need, admission.task_id)
        except Exception as error:  # noqa: BLE001 (told in the log; the next 1303 says it again)
            log_failure(log, "room.not_learned", error)
            return
        running = dict(zip((of_model, of_pack), counts, strict=True))
        most = {key: slots + need.slots - 1 for key, slots in running.items()}
        known = self._board.known(of_model)
        had = (set_limit(channel, of_model, room.scope), known.room if known else None)
        had_more = any(slots is not None and slots > most[of_model] for slots in had)
        is_of_pack = running[of_pack] > running[of_model] and (had_more or not running[of_model])
        at = of_pack if is_of_pack or room.scope is RoomScope.PACK else of_model
        before = self._board.known(at)
        if before is not None and before.room is not None and most[at] >= before.room:
            return
        tries = self._tries(before, rule)
        self._board.mark(
            Condition(
                *at,
                state=rule.state,
                code=said.code,
                reason=said.reason[:REASON_CHARS],
                try_at_s=self._clock() + pause_s(rule, tries),
                tries=tries,
                room=most[at],
            )
        )


def _key_of(channel: OpenedChannel, admission: Admission | None, rule: Rule | None) -> Key:
    need = None if admission is None else admission.need
    if rule is None or rule.part is Part.ACCOUNT or need is None:
        return channel.id, "", ""
    if rule.part is Part.PACK:
        return channel.id, need.pack, ""
    if rule.part is Part.MODEL:
        return channel.id, "", need.model
    return channel.id, need.pack, need.model
