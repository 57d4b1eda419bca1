"""Whether what failed of a run can be done once more, and if not, why: for its tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from relay.kling.made_files import read_file_urls
from relay.runs.outputs import FRESH
from relay.runs.tables import Run, RunState, RunStep, StepState

NOT_FAILED = "it did not fail"
FORGOTTEN = "what it was asked for is forgotten"


def why_not_again(
    run: Run,
    steps: Sequence[RunStep],
    kept: Mapping[int, Mapping[str, str]],
    *,
    is_forgotten: bool,
    now: datetime,
) -> str | None:
    """Say why a run cannot be done once more; None if it can.

    `kept`: what is kept of its tasks' files, by task and by the URL before its query.
    """
    if run.state not in (RunState.FAILED, RunState.CANCELLED):
        return NOT_FAILED
    if is_forgotten:
        return FORGOTTEN
    by_name = {step.name: step for step in steps}
    again = [step for step in steps if step.state in (StepState.FAILED, StepState.SKIPPED)]
    for name in sorted({name for step in again for name in step.needs}):
        needed = by_name[name]
        if needed.state == StepState.DONE and not _is_there(needed, kept, now):
            return f"what {name!r} made is no longer there"
    return None


def _is_there(step: RunStep, kept: Mapping[int, Mapping[str, str]], now: datetime) -> bool:
    """Tell whether a step can be gone on with: its files are at Kling yet, or all of them kept."""
    if step.output is None:
        return False
    if step.made_at is None or now - step.made_at < FRESH:
        return True
    ours = kept.get(step.task_id or 0, {})
    urls = read_file_urls(step.output.encode())
    return bool(urls) and all(url.partition("?")[0] in ours for url in urls)
