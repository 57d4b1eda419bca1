"""A run in the studio's words: what `GET ai-task/{id}` answers."""

import time
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.assets.links import ResultUrls
from relay.html.words import say, translations
from relay.money import decimal_of
from relay.runs.read import SeenRun, SeenStep
from relay.runs.stages import Stage
from relay.runs.tables import RunState, StepState
from relay.runs.wish import own_micros
from relay.studio.behind import Visit
from relay.tenants.caller import Caller

_NOTHING: dict[str, Any] = {}


class ShownStep(msgspec.Struct, frozen=True):
    """One create of Kling's in a task of the studio's."""

    name: str
    state: str
    endpoint: str
    provider_task_id: str | None
    attempts: int
    next_attempt_at: datetime | None
    error_code: int | None
    error_message: str | None
    output_url: str | None
    output_urls: list[str]
    """All files that it made."""
    is_result: bool
    """Whether what it makes is what was asked for."""
    quote: str | None
    """What it may cost, and what it did; null to a key that may not see that."""
    charged: str | None


class AiTask(msgspec.Struct, frozen=True):
    """One task of the studio's; moments are in UTC, amounts in the relay's currency."""

    task_id: str
    task_type: str
    source: str
    status: str
    """`pending`, `processing`, `completed`, `failed` or `cancelled`."""
    progress: int
    """Percent: 100 when it is completed, and not before."""
    stage: str
    status_message: str
    eta_seconds: int | None
    output_url: str | None
    output_asset_id: str | None
    result_metadata: dict[str, Any]
    input_params: dict[str, Any] | None
    """Null once it is forgotten."""
    error_code: int | None
    error_message: str | None
    provider_task_id: str | None
    """Kling's id of what made the output, which Kling's own paths know too."""
    quote: str | None
    """What it may cost at the most, and what it did; null to a key of scope `call` for what another
    key asked for."""
    charged: str | None
    reused_from: str | None
    """The task whose results these are, given again at no charge; null of what was made."""
    steps: list[ShownStep]
    can_retry: bool
    no_retry_reason: str | None
    """Of one that has ended badly and cannot be done once more: why."""
    batch_id: str | None
    """Of what came in with others."""
    batch_item: int | None
    """Its place among those, from 0."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime


STAGES = {
    Stage.PREPARING: say("Preparing"),
    Stage.SUBMITTED: say("Sent, and waiting to be worked on"),
    Stage.PROCESSING: say("Being made"),
    Stage.DOWNLOADING: say("Made; the files are being copied"),
}
ENDS = {
    RunState.COMPLETED: say("Done"),
    RunState.FAILED: say("Failed"),
    RunState.CANCELLED: say("Cancelled"),
}
CANCELLING = say("Cancelled: what is being made is finished and charged, and nothing new begins")
REUSED = say("Done: made before, and given again at no charge")
AGAIN = say("It did not work, and is tried again by itself")


async def show(
    seen: SeenRun, urls: ResultUrls, caller: Caller, *, language: str, now_s: float
) -> AiTask:
    """Show a run to its tenant."""
    run = seen.run
    ours = {step.name: await _ours(seen, step, urls, caller, now_s=now_s) for step in seen.steps}
    links = {step.name: _links(step, ours[step.name]) for step in seen.steps}
    results = [step for step in seen.steps if step.is_result]
    made = [step for step in results if step.files]
    files = [file for step in made for file in step.files]
    sees_money = caller.scope.sees_all or run.token_id == caller.token_id
    quotes = [own_micros(caller, step.quote_micros) for step in seen.steps]
    return AiTask(
        task_id=str(run.public_id),
        task_type=run.kind,
        source=run.source,
        status=seen.state.value,
        progress=seen.progress.percent,
        stage=seen.stage.value,
        status_message=message_of(seen, language),
        eta_seconds=seen.progress.eta_s,
        output_url=links[made[0].name][0] if made else None,
        output_asset_id=next((file.asset for file in files if file.asset), None),
        result_metadata={
            "urls": [url for step in made for url in links[step.name]],
            "assets": [file.asset for file in files if file.asset],
            "results": [
                one for step in results for one in _with_links(_results(step), ours[step.name])
            ],
        },
        input_params=seen.input,
        error_code=run.error_code,
        error_message=run.error_message,
        provider_task_id=next((step.task_id for step in results if step.task_id), None),
        quote=decimal_of(sum(quotes)) if sees_money else None,
        charged=decimal_of(sum(one.charged_micros for one in seen.steps)) if sees_money else None,
        reused_from=None if seen.reused_from is None else str(seen.reused_from),
        steps=[
            ShownStep(
                step.name,
                step.state.value,
                step.endpoint,
                step.task_id,
                step.attempts,
                step.next_attempt_at,
                step.error_code,
                step.error_message,
                next(iter(links[step.name]), None),
                links[step.name],
                step.is_result,
                decimal_of(quote) if sees_money else None,
                decimal_of(step.charged_micros) if sees_money else None,
            )
            for step, quote in zip(seen.steps, quotes, strict=True)
        ],
        can_retry=seen.can_retry,
        no_retry_reason=seen.no_retry
        if seen.state in (RunState.FAILED, RunState.CANCELLED)
        else None,
        batch_id=None if run.batch_id is None else str(run.batch_id),
        batch_item=run.batch_place,
        created_at=run.created_at,
        started_at=run.started_at,
        completed_at=run.ended_at,
        updated_at=seen.updated_at,
    )


class RunProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """What streams of events tell of a task."""

    task_id: str
    task_type: str
    status: str
    stage: str
    progress: int
    status_message: str
    eta_seconds: int | None
    updated_at: datetime
    output_url: str | UnsetType = UNSET
    error_code: int | UnsetType = UNSET
    error_message: str | UnsetType = UNSET


async def progress_of_run(seen: SeenRun, visit: Visit) -> RunProgress:
    """Tell its tenant how far a run is."""
    run, urls = seen.run, visit.behind.urls
    made = next((step for step in seen.steps if step.is_result and step.files), None)
    links: list[str] = []
    if made is not None:
        links = _links(made, await _ours(seen, made, urls, visit.caller, now_s=time.time()))
    failed = seen.state is RunState.FAILED
    return RunProgress(
        task_id=str(run.public_id),
        task_type=run.kind,
        status=seen.state.value,
        stage=seen.stage.value,
        progress=seen.progress.percent,
        status_message=message_of(seen, visit.language),
        eta_seconds=seen.progress.eta_s,
        updated_at=seen.updated_at,
        output_url=links[0] if links else UNSET,
        error_code=run.error_code if failed and run.error_code is not None else UNSET,
        error_message=run.error_message if failed and run.error_message else UNSET,
    )


def message_of(seen: SeenRun, language: str) -> str:
    """Say in one sentence how it stands."""
    words, run = translations(language), seen.run
    if seen.reused_from is not None:
        return words.gettext(REUSED)
    if seen.state in ENDS:
        said = words.gettext(ENDS[seen.state])
        return f"{said}: {run.error_message}" if run.error_message else said
    if run.cancelled_at is not None and run.cancelled_at <= seen.updated_at:
        return words.gettext(CANCELLING)
    if any(step.next_attempt_at is not None for step in seen.steps):
        return words.gettext(AGAIN)
    said = words.gettext(STAGES[seen.stage])
    if len(seen.steps) == 1:
        return said
    done = sum(step.state is StepState.DONE for step in seen.steps)
    return f"{said} ({done}/{len(seen.steps)})"


async def _ours(
    seen: SeenRun, step: SeenStep, urls: ResultUrls, caller: Caller, *, now_s: float
) -> dict[str, str]:
    """Say which of our links stands for which of Kling's, where the tenant wants that.

    What is given again is the file that is kept: Kling's own may be gone tomorrow.
    """
    wants_ours = caller.result_urls == "ours" or seen.reused_from is not None
    if not wants_ours or step.row_id is None or not step.files:
        return {}
    theirs = list(dict.fromkeys([file.url for file in step.files] + _texts(_results(step))))
    return dict(zip(theirs, await urls.of_task(step.row_id, theirs, now_s=now_s), strict=True))


def _links(step: SeenStep, ours: dict[str, str]) -> list[str]:
    """Say where a step's files lie."""
    return [ours.get(file.url, file.url) for file in step.files]


def _with_links(value: Any, ours: dict[str, str]) -> Any:
    """Put our links where Kling's stand."""
    if isinstance(value, dict):
        return {name: _with_links(one, ours) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_links(one, ours) for one in value]
    return ours.get(value, value) if isinstance(value, str) else value


def _texts(value: Any) -> list[str]:
    """List all texts in what Kling says of what it made: any may be a link."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def _results(step: SeenStep) -> list[Any]:
    """List what Kling says of what it made, without what it says of money."""
    output = step.output if isinstance(step.output, dict) else _NOTHING
    made = output.get("task_result") or output.get("outputs") or _NOTHING
    groups = made.values() if isinstance(made, dict) else [made]
    return [one for group in groups if isinstance(group, list) for one in group]
