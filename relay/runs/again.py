"""Whether what failed of a run can be done once more, and if not, why: for its tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from relay.kling.made_files import read_file_urls
from relay.runs.outputs import FRESH
from relay.runs.tables import Run, RunState, RunStep, StepState

NOT_FAILED = "it did not fail"
FORGOTTEN = "what it was asked for is forgotten"
SESSION_LIVES = timedelta(hours=24)
"""Of Kling's sessions, since the step that opened one (docs/kling-api.md)."""


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
        taken = [path for step in again for path in step.takes or () if _is_of(path, name)]
        if needed.state == StepState.DONE and not _is_there(needed, taken, kept, now):
            return f"what {name!r} made is no longer there"
    return None


def _is_of(taken: str, name: str) -> bool:
    return taken.startswith(f"{name}.")


def _is_there(
    step: RunStep, taken: Sequence[str], kept: Mapping[int, Mapping[str, str]], now: datetime
) -> bool:
    """Tell whether a step can be gone on with: its files are at Kling yet, or all of them kept.

    What is taken of it by an id of Kling's, `taken`, is kept nowhere else.
    """
    if step.output is None:
        return False
    ids = {path.rpartition(".")[2] for path in taken}
    since = step.made_at or step.ended_at
    if since is None:
        return True
    if "session_id" in ids and now - since > SESSION_LIVES:
        return False
    if now - since < FRESH:
        return True
    if any(one == "id" or one.endswith("_id") for one in ids):
        return False
    ours = kept.get(step.task_id or 0, {})
    urls = read_file_urls(step.output.encode())
    return bool(urls) and all(url.partition("?")[0] in ours for url in urls)
