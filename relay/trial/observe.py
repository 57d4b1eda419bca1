"""The steps of a trial, in the order in which they cost least if Kling is not as we believe.

Kling is asked through the same seam as for tenants, and read by the same code: what a trial
confirms is what a submit, a look and a callback will do.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from relay.channels.opened import OpenedChannel
from relay.kling.task_object import Status, TaskNews, read_listed_tasks, read_queried_task
from relay.kling.transport import NoUsableReply, Reply
from relay.kling.verdicts import Accepted, Refused, Unknown, judge_create
from relay.kling.wire import read_any, read_envelope, says_not_found
from relay.tasks.upstream import Upstream
from relay.trial.fields import paths_of
from relay.trial.plan import Trial
from relay.trial.report import CallbackSeen

TIMEOUT_S = 60.0
PAUSE_MIN_S, PAUSE_MAX_S = 0.25, 10.0
LIST_QUERY = b"pageNum=1&pageSize=100"
COST_FIELDS = ("final_unit_deduction", "final_balance_deduction", "billing")
ENDS = (Status.SUCCEED, Status.FAILED)

ReadCallbacks = Callable[[], Awaitable[Sequence[CallbackSeen]]]
Tell = Callable[[str], None]


class TrialFailed(Exception):
    """It cannot go on; the message says what Kling said, and nothing was made."""


class TrialRules(msgspec.Struct, frozen=True):
    """How long a trial waits, in seconds."""

    wait_s: float = 900.0
    """For the task's end."""
    callbacks_s: float = 60.0
    """After the end, for a callback that tells of it."""
    quiet_s: float = 5.0
    """After that callback, for more of them."""


class Said(msgspec.Struct, frozen=True):
    """One reply, as far as a report may have it."""

    http_status: int
    code: int | None
    message: str
    fields: list[str]
    """Of `data`."""

    def __str__(self) -> str:
        code = "no envelope of Kling's" if self.code is None else f"code {self.code}"
        return f'HTTP {self.http_status}, {code} "{self.message}"'


class Seen(msgspec.Struct):
    """All that the steps of one trial saw."""

    unknown: Said | None = None
    is_unknown_understood: bool = False
    refused: Said | None = None
    refusal: str = ""
    """The verdict on a create without a prompt."""
    created: Said | None = None
    found_after_s: float | None = None
    not_found_before: int = 0
    """How often the lookup under our external id said "not found" first."""
    found_other: bool = False
    """Whether what was found had another id of Kling's."""
    is_listed: bool | None = None
    """With our external id; None where the endpoint has no list."""
    duplicate: Said | None = None
    duplicate_verdict: str = ""
    replies: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """By status: the fields of the task."""
    costs: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """By status: which of Kling's cost fields stood there."""
    end: TaskNews | None = None
    ended_after_s: float | None = None
    failed_costs: list[str] | None = None
    """Of a failed task in the list; None where none was seen."""
    callbacks: list[CallbackSeen] = msgspec.field(default_factory=list)
    kling_ids: list[str] = msgspec.field(default_factory=list)


class Observer:
    """Makes one task, and watches it."""

    def __init__(
        self,
        upstream: Upstream,
        channel: OpenedChannel,
        trial: Trial,
        *,
        rules: TrialRules,
        tell: Tell,
    ) -> None:
        self._upstream = upstream
        self._channel = channel
        self._trial = trial
        self._rules = rules
        self._tell = tell
        self.seen = Seen()
        self.created_at = 0.0
        """When the create was sent, a Unix time."""

    async def run(
        self,
        injected_id: str,
        other_id: str,
        *,
        callback_url: str | None,
        with_duplicate: bool,
        read_callbacks: ReadCallbacks | None,
    ) -> Seen:
        """Go through all steps; `other_id` is one that no task has.

        Raises:
            TrialFailed: before a task was made.
        """
        await self._ask_for_unknown(other_id)
        await self._ask_for_refusal(other_id)
        news = await self._create(injected_id, callback_url)
        await self._find(injected_id, news)
        await self._list(injected_id)
        if with_duplicate:
            await self._repeat(injected_id, callback_url)
        await self._watch(injected_id, news)
        if read_callbacks is not None:
            await self._listen(read_callbacks)
        return self.seen

    async def _ask_for_unknown(self, injected_id: str) -> None:
        self._tell("asking for a task that does not exist")
        reply = await self._query(kling_id=None, injected_id=injected_id)
        if reply is None:
            raise TrialFailed("Kling gave no usable answer to a free question")
        self.seen.unknown = _said(reply)
        self.seen.is_unknown_understood = says_not_found(reply)
        if reply.status == 401:  # noqa: PLR2004 (HTTP's own number)
            raise TrialFailed(f"Kling does not take the channel's key: {self.seen.unknown}")

    async def _ask_for_refusal(self, injected_id: str) -> None:
        """Send a create that has nothing to be made from, so that not even a careless Kling can."""
        self._tell("sending a create without a prompt, to be refused")
        body = {key: value for key, value in self._trial.body.items() if key != "prompt"}
        try:
            reply = await self._send(body, injected_id, None)
        except NoUsableReply as error:
            self.seen.refusal = f"no answer: {error.reason}"
            return
        self.seen.refused = _said(reply)
        self.seen.refusal = _verdict(reply, injected_id)

    async def _create(self, injected_id: str, callback_url: str | None) -> TaskNews:
        self._tell(f"making one task: {self._trial.endpoint.name}, {self._trial.model}")
        self.created_at = time.time()
        try:
            reply = await self._send(self._trial.body, injected_id, callback_url)
        except NoUsableReply as error:
            raise TrialFailed(
                f"the create had no usable answer ({error.reason}); it may have made a task"
            ) from error
        said = self.seen.created = _said(reply)
        verdict = judge_create(reply, injected_id=injected_id)
        match verdict:
            case Accepted():
                self._note(verdict.news, "create")
                return verdict.news
            case Refused():
                raise TrialFailed(f"Kling refused it: {said}")
            case Unknown():
                raise TrialFailed(f"what Kling answered to the create is no verdict: {said}")

    async def _find(self, injected_id: str, made: TaskNews) -> None:
        """Ask by our external id until it is found, or half a minute is over."""
        self._tell("looking for it by our external id")
        pause_s = PAUSE_MIN_S
        deadline = self.created_at + 30.0
        while True:
            reply = await self._query(kling_id=None, injected_id=injected_id)
            news = None if reply is None else read_queried_task(reply)
            if news is not None:
                self.seen.found_after_s = time.time() - self.created_at
                self.seen.found_other = news.kling_id != made.kling_id
                self._note(news)
                return
            if reply is not None and says_not_found(reply):
                self.seen.not_found_before += 1
            if time.time() > deadline:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, PAUSE_MAX_S)

    async def _list(self, injected_id: str) -> None:
        """Read the endpoint's list: whether ours is in it, and what a failed one has."""
        if not self._trial.endpoint.is_listed:
            return
        try:
            reply = await self._upstream.read(
                self._channel, self._trial.endpoint, LIST_QUERY, timeout_s=TIMEOUT_S
            )
        except NoUsableReply:
            return
        tasks = read_listed_tasks(reply)
        self.seen.is_listed = any(injected_id in task.external_ids for task in tasks)
        for task in tasks:
            if task.status is Status.FAILED:
                self.seen.failed_costs = _costs_of(task)
                break

    async def _repeat(self, injected_id: str, callback_url: str | None) -> None:
        self._tell("sending it again under the same external id, to be refused")
        try:
            reply = await self._send(self._trial.body, injected_id, callback_url)
        except NoUsableReply as error:
            self.seen.duplicate_verdict = f"no answer: {error.reason}"
            return
        self.seen.duplicate = _said(reply)
        verdict = judge_create(reply, injected_id=injected_id)
        if isinstance(verdict, Accepted):
            self._note(verdict.news, "create")
        self.seen.duplicate_verdict = _word_of(verdict)

    async def _watch(self, injected_id: str, made: TaskNews) -> None:
        self._tell("waiting for its end")
        pause_s = PAUSE_MIN_S
        deadline = time.time() + self._rules.wait_s
        while time.time() < deadline:
            reply = await self._query(kling_id=made.kling_id, injected_id=injected_id)
            news = None if reply is None else read_queried_task(reply)
            if news is not None:
                self._note(news)
                if news.status in ENDS:
                    self.seen.end = news
                    self.seen.ended_after_s = time.time() - self.created_at
                    if news.status is Status.FAILED:
                        self.seen.failed_costs = _costs_of(news)
                    return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, PAUSE_MAX_S)

    async def _listen(self, read_callbacks: ReadCallbacks) -> None:
        """Wait for the callback of the end, and then a little for what comes behind it."""
        self._tell("waiting for callbacks")
        deadline = time.time() + self._rules.callbacks_s
        words = {"succeed", "succeeded", "failed"}
        while time.time() < deadline:
            self.seen.callbacks = list(await read_callbacks())
            if any(one.status in words for one in self.seen.callbacks):
                await asyncio.sleep(self._rules.quiet_s)
                break
            await asyncio.sleep(1.0)
        self.seen.callbacks = list(await read_callbacks())

    def _note(self, news: TaskNews, kind: str = "") -> None:
        """Keep which fields a task has in a create's reply, or at a status in a query's."""
        word = kind or (news.status.value if news.status else "of no known status")
        fields = paths_of(read_any(news.raw))
        self.seen.replies[word] = sorted({*self.seen.replies.get(word, []), *fields})
        if not kind:
            known = self.seen.costs.get(word, [])
            self.seen.costs[word] = sorted({*known, *_costs_of(news)})
        if news.kling_id:
            self.seen.kling_ids.append(news.kling_id)

    async def _query(self, *, kling_id: str | None, injected_id: str) -> Reply | None:
        try:
            return await self._upstream.query(
                self._channel,
                self._trial.endpoint,
                kling_id=kling_id,
                injected_id=injected_id,
                timeout_s=TIMEOUT_S,
            )
        except NoUsableReply:
            return None

    async def _send(
        self, body: dict[str, Any], injected_id: str, callback_url: str | None
    ) -> Reply:
        endpoint = self._trial.endpoint
        whole = dict(body)
        _put(whole, endpoint.external_id_field, injected_id)
        if callback_url is not None:
            _put(whole, endpoint.callback_field, callback_url)
        return await self._upstream.create(
            self._channel,
            endpoint,
            msgspec.json.encode(whole),
            timeout_s=TIMEOUT_S,
            model=self._trial.model_in_path,
        )


def _put(body: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    *outer, name = path
    for part in outer:
        body = body.setdefault(part, {})
    body[name] = value


def _said(reply: Reply) -> Said:
    envelope = read_envelope(reply)
    if envelope is None:
        return Said(reply.status, None, "", [])
    data = envelope.data if isinstance(envelope.data, msgspec.Raw) else None
    fields = [] if data is None else paths_of(read_any(data))
    return Said(reply.status, envelope.code, envelope.message, fields)


def _verdict(reply: Reply, injected_id: str) -> str:
    return _word_of(judge_create(reply, injected_id=injected_id))


def _word_of(verdict: Accepted | Refused | Unknown) -> str:
    match verdict:
        case Accepted():
            return "accepted"
        case Refused():
            return "refused"
        case Unknown():
            return f"unknown: {verdict.reason}"


def _costs_of(news: TaskNews) -> list[str]:
    fields = read_any(news.raw)
    return [name for name in COST_FIELDS if isinstance(fields, dict) and name in fields]
