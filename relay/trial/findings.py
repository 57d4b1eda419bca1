"""What follows from what a trial saw: one finding per fact that the relay relies on."""

from relay.kling.endpoint import Lookup
from relay.kling.task_object import Status
from relay.trial.observe import Seen
from relay.trial.plan import Trial, units_of
from relay.trial.report import Finding, Outcome

DUPLICATE = "unknown: Kling already has a task under our external id"
"""The verdict on a duplicate that is recognised (`kling/verdicts.py`)."""


def is_lookup_confirmed(seen: Seen) -> bool:
    """Tell whether "not found" may release a hold: what exists is found, what does not is not."""
    return (
        seen.is_unknown_understood
        and seen.found_after_s is not None
        and not seen.found_other
        and seen.not_found_before == 0
    )


def findings(
    seen: Seen, trial: Trial, *, with_duplicate: bool, with_callbacks: bool
) -> list[Finding]:
    """Judge; each compares with a line of docs/kling-api.md."""
    return [
        _unknown(seen),
        _refused(seen),
        _created(seen, trial),
        _found(seen, trial),
        _listed(seen),
        _duplicate(seen, is_tried=with_duplicate),
        _running_costs(seen),
        _failed_costs(seen),
        _ended(seen),
        _cost(seen, trial),
        *_callbacks(seen, are_tried=with_callbacks),
    ]


def _finding(about: str, relied_on: str, seen: str, *, is_so: bool | None) -> Finding:
    """Spell one; `is_so` is None where nothing was seen."""
    outcome = {True: Outcome.AS_RELIED_ON, False: Outcome.DIFFERS, None: Outcome.NOT_SEEN}[is_so]
    return Finding(about, relied_on, seen, outcome)


def _unknown(seen: Seen) -> Finding:
    return _finding(
        "an external id that no task has",
        '400, code 1201 "Task not found"; of 2.0 an empty list',
        str(seen.unknown),
        is_so=seen.is_unknown_understood,
    )


def _refused(seen: Seen) -> Finding:
    said = seen.refusal if seen.refused is None else f"{seen.refused}: {seen.refusal}"
    return _finding(
        "a create that cannot be made",
        "refused with a code of 1000 to 1304, and no task",
        said,
        is_so=None if seen.refused is None else seen.refusal == "refused",
    )


def _created(seen: Seen, trial: Trial) -> Finding:
    has_id = any("external" in field for field in seen.replies.get("create", ()))
    where = ".".join(trial.endpoint.external_id_field)
    return _finding(
        "our external id in the create's reply",
        f"it comes back, as {where} or in task_info",
        "it does" if has_id else "it does not",
        is_so=has_id,
    )


def _found(seen: Seen, trial: Trial) -> Finding:
    ways = {
        Lookup.QUERY: f"GET {trial.endpoint.path}/{{external id}}",
        Lookup.NEW: "GET /tasks?external_task_ids=",
    }
    if seen.found_after_s is None:
        said = f"not within 30 s ({seen.not_found_before} times not found)"
    else:
        said = f"found {seen.found_after_s:.1f} s after the create"
        if seen.not_found_before:
            said += f", {seen.not_found_before} times not found before"
        if seen.found_other:
            said += ", as another task than was made"
    return _finding(
        "a task under our external id",
        f"found from the first moment by {ways.get(trial.endpoint.lookup, 'a query')}",
        said,
        is_so=is_lookup_confirmed(seen) if seen.is_unknown_understood else False,
    )


def _listed(seen: Seen) -> Finding:
    words = {
        None: "there is no list here, or no answer",
        True: "it stands there",
        False: "it is not in the list of the last 100",
    }
    return _finding(
        "our external id in the endpoint's list",
        "it stands there, from the first moment",
        words[seen.is_listed],
        is_so=seen.is_listed,
    )


def _duplicate(seen: Seen, *, is_tried: bool) -> Finding:
    if not is_tried:
        said = "not tried: Kling might take it, and --max-cost is not enough for two"
    elif seen.duplicate is None:
        said = seen.duplicate_verdict
    else:
        is_ours = seen.duplicate_verdict == DUPLICATE
        verdict = "known for a duplicate of ours" if is_ours else seen.duplicate_verdict
        said = f"{seen.duplicate}: {verdict}"
    return _finding(
        "the same external id again",
        "400, code 1201, with a message that names external_task_id or our id",
        said,
        is_so=None if seen.duplicate is None else seen.duplicate_verdict == DUPLICATE,
    )


def _running_costs(seen: Seen) -> Finding:
    words = [
        f"{status}: {', '.join(names) or 'none'}"
        for status, names in seen.costs.items()
        if status in (Status.SUBMITTED, Status.PROCESSING)
    ]
    return _finding(
        "cost fields while it runs",
        "whatever stands there is not the last word",
        "; ".join(words) or "it ended before it was asked",
        is_so=True if words else None,
    )


def _failed_costs(seen: Seen) -> Finding:
    names = seen.failed_costs
    return _finding(
        "cost fields of a failed task",
        "a failure costs nothing, whatever stands there",
        "no failed task was seen" if names is None else ", ".join(names) or "none",
        is_so=None if names is None else True,
    )


def _ended(seen: Seen) -> Finding:
    if seen.end is None or seen.end.status is None:
        return _finding("its end", "succeed or failed", "it did not end in time", is_so=None)
    return _finding(
        "its end",
        "succeed or failed",
        f"{seen.end.status.value} after {seen.ended_after_s or 0:.0f} s",
        is_so=True,
    )


def _cost(seen: Seen, trial: Trial) -> Finding:
    expected = f"as Kling's list: {units_of(trial)}"
    if seen.end is None or seen.end.status is not Status.SUCCEED:
        return _finding("what it cost", expected, "it did not succeed", is_so=None)
    names = ", ".join(seen.costs.get(Status.SUCCEED, ())) or "no cost field"
    units = seen.end.deduction
    if units is None:
        return _finding("what it cost", expected, f"{names}: nothing to read", is_so=False)
    listed = trial.quote.hold_micros / trial.quote.list_unit_micros
    pack = f" of the {seen.end.package} pack" if seen.end.package else ""
    return _finding(
        "what it cost", expected, f"{names}: {units:f} units{pack}", is_so=float(units) == listed
    )


def _callbacks(seen: Seen, *, are_tried: bool) -> list[Finding]:
    arrive, end = "callbacks", "the callback of the end"
    relied = "none is relied on; with them Kling is asked less often"
    if not are_tried:
        said = "not tried: RELAY_PUBLIC_URL is not set"
        return [_finding(arrive, relied, said, is_so=None)]
    found = seen.callbacks
    if not found:
        said = "none arrived: is `relay serve` running, and its public URL reachable from outside?"
        return [_finding(arrive, relied, said, is_so=False)]
    order = ", ".join(f"{one.status} ({one.after_s:.1f} s)" for one in found)
    sources = ", ".join(sorted({one.source for one in found}))
    ends = [one for one in found if one.status in ("succeed", "succeeded", "failed")]
    late_s = ends[0].after_s - (seen.ended_after_s or 0.0) if ends else 0.0
    return [
        _finding(arrive, relied, f"{len(found)}: {order}; from {sources}", is_so=True),
        _finding(
            "their signature",
            "signed by Standard Webhooks where the account has a secret",
            ", ".join(sorted({one.signature for one in found})),
            is_so=not any(one.signature == "wrong" for one in found),
        ),
        _finding(
            end,
            "within seconds of the end",
            f"{late_s:+.1f} s from when a query told of the end" if ends else "none",
            is_so=bool(ends) and late_s < 60,  # noqa: PLR2004 (a minute)
        ),
    ]
