"""One task's story, printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.show import moment, print_pairs, printable, raw_json
from relay.money import money

if TYPE_CHECKING:
    from datetime import datetime

    from relay.tasks.inspect import Story
    from relay.tasks.outlook import Outlook
    from relay.tasks.timeline import Happening

_MICROS = re.compile(r"(-?\d+) micros\b", re.ASCII)


def described(story: Story, currency: str, *, is_raw: bool) -> dict[str, object]:
    """Put everything into one document; what Kling sent stays as it sent it, if it is wanted."""
    from relay.deliveries.kept_url import show_url

    task, outlook = story.task, story.outlook
    return {
        "id": task.id,
        "tenant": story.tenant,
        "endpoint": task.endpoint,
        "model": task.model,
        "status": task.state,
        "is_flagged": task.is_flagged,
        "is_test": story.is_test,
        "flags": [_happened(one, currency) for one in story.flags],
        "outlook": outlook,
        "kling_id": task.kling_id,
        "public_id": task.public_id,
        "tenant_external_id": task.tenant_external_id,
        "injected_id": task.injected_id,
        "request_id": task.request_id,
        "kling_request_id": task.kling_request_id,
        "token_id": task.token_id,
        "caller_address": task.caller_address,
        "channel": story.channel,
        "channels_tried": story.channels_tried,
        "callback_url": task.callback_url and show_url(task.callback_url),
        "created_at": task.created_at,
        "submit_deadline_at": task.submit_deadline_at,
        "submitted_at": task.submitted_at,
        "ended_at": task.ended_at,
        "ended_via": task.ended_via,
        "next_look_at": task.next_look_at,
        "fail_message": task.fail_message,
        "result_ids": task.result_ids,
        "result_urls": task.result_urls,
        "money": {
            "currency": currency,
            "hold_micros": task.hold_micros,
            "is_hold_open": task.hold_ended_at is None,
            "charged_micros": task.charged_micros,
            "refunded_micros": task.refunded_micros,
            "deduction": raw_json(task.deduction),
            "quote": task.quote,
        },
        "timeline": [
            _happened(one, currency) | ({"body": raw_json(one.body)} if is_raw else {})
            for one in story.timeline
        ],
    } | ({"reply": raw_json(task.reply)} if is_raw else {})


def tell(story: Story, currency: str, *, is_raw: bool) -> None:
    """Print it for people: first what is open, then what is known."""
    task = story.task
    flags = [(f"{one.what}: {one.detail} ({moment(one.at)})", one) for one in story.flags]
    print_pairs(
        [
            ("task", f"{task.id}, {task.state}" + (", flagged" if task.is_flagged else "")),
            *(("flagged for", in_currency(said, currency)) for said, _ in flags),
            *_outlook(story.outlook),
            ("tenant", f"{story.tenant} (token {task.token_id})"),
            ("came from", task.caller_address),
            ("test", "on a sandbox, and free" if story.is_test else None),
            ("endpoint", task.endpoint),
            ("model", task.model),
            ("channel", story.channel),
            ("tried before", ", ".join(story.channels_tried) or None),
            ("Kling's id", task.kling_id),
            ("its tenant has it as", task.public_id),
            ("tenant's id", task.tenant_external_id),
            ("injected id", task.injected_id),
            ("request", task.request_id),
            ("Kling's request", task.kling_request_id),
            ("the tenant reads" if task.ended_via == "operator" else "failure", task.fail_message),
            ("results", ", ".join(task.result_urls) or None),
        ]
    )
    import msgspec

    from relay.desk.actor import ActorKind
    from relay.kling.wanted import Wanted

    click.echo("\nMoney")
    row = task.quote.get("row", {})
    is_open = task.hold_ended_at is None
    charged, refunded = task.charged_micros, task.refunded_micros
    print_pairs(
        [
            ("asked for", str(msgspec.convert(task.quote["wanted"], Wanted))),
            ("price row", ", ".join(f"{name}={value}" for name, value in row.items())),
            ("held", money(task.hold_micros, currency) + (", open" if is_open else ", ended")),
            ("charged", None if charged is None else money(charged, currency)),
            ("refunded", money(refunded, currency) if refunded else None),
            ("Kling took", task.deduction),
        ]
    )
    click.echo("\nTimeline")
    for one in story.timeline:
        by = "" if one.actor == ActorKind.RELAY else f" (by {one.actor})"
        told = printable(in_currency(one.detail, currency) + by)
        click.echo(f"{moment(one.at)}  {one.what.ljust(16)}  {told}".rstrip())
        if is_raw:
            _indented(one.body)
    if is_raw and task.reply is not None:
        click.echo("\nLast reply")
        _indented(task.reply)


def in_currency(told: str, currency: str) -> str:
    """Spell the amounts in a text, which are noted as "420000 micros", as all others are."""
    return _MICROS.sub(lambda found: money(int(found[1]), currency), told)


def span(seconds: float) -> str:
    """Spell a length of time by its two largest units: 190 s is "3 min 10 s"."""
    left = max(0, round(seconds))
    parts = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def _happened(one: Happening, currency: str) -> dict[str, object]:
    return {
        "at": one.at,
        "what": one.what,
        "detail": in_currency(one.detail, currency),
        "actor": one.actor,
    }


def _outlook(outlook: Outlook) -> list[tuple[str, str | None]]:
    def ago(at: datetime) -> str:
        return f"{moment(at)}, {span((outlook.read_at - at).total_seconds())} ago"

    usual, next_by = outlook.usual, outlook.next_by
    if next_by is not None and outlook.next_at is not None:
        next_by += f", at {moment(outlook.next_at)}"
        next_by += ": it is overdue, does a worker run?" if outlook.is_overdue else ""
    takes = None
    if usual is not None:
        lately = f"of the last {usual.tasks} successes" if usual.tasks > 1 else "of one success"
        takes = f"{span(usual.median_s)}, nine of ten at most {span(usual.most_s)}, {lately}"
    return [
        ("waits for", outlook.waits_for),
        ("since", None if outlook.since is None else ago(outlook.since)),
        ("usually takes", takes),
        ("Kling was asked", ago(outlook.kling_asked_at) if outlook.kling_asked_at else "never"),
        ("next acts", next_by),
    ]


def _indented(body: bytes | str | None) -> None:
    """Print JSON over several lines, and anything else as it is."""
    if body is None:
        return
    import msgspec

    encoded = body.encode() if isinstance(body, str) else body
    try:
        shown = msgspec.json.format(encoded, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        shown = encoded.decode(errors="replace")
    for line in shown.splitlines():
        click.echo(f"    {printable(line)}")
