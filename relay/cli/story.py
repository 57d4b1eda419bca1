"""One task's story, printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.show import moment, print_pairs, printable, raw_json
from relay.money import money

if TYPE_CHECKING:
    from relay.tasks.inspect import Story


def described(story: Story, currency: str) -> dict[str, object]:
    """Put everything into one document; what Kling sent stays as it sent it."""
    from relay.deliveries.kept_url import show_url

    task = story.task
    return {
        "id": task.id,
        "tenant": story.tenant,
        "endpoint": task.endpoint,
        "status": task.state,
        "is_flagged": task.is_flagged,
        "kling_id": task.kling_id,
        "tenant_external_id": task.tenant_external_id,
        "injected_id": task.injected_id,
        "request_id": task.request_id,
        "kling_request_id": task.kling_request_id,
        "token_id": task.token_id,
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
            "refunded_micros": story.refunded_micros,
            "deduction": raw_json(task.deduction),
            "quote": task.quote,
        },
        "reply": raw_json(task.reply),
        "timeline": [
            {
                "at": one.at,
                "what": one.what,
                "detail": one.detail,
                "actor": one.actor,
                "body": raw_json(one.body),
            }
            for one in story.timeline
        ],
    }


def tell(story: Story, currency: str) -> None:
    """Print it for people."""
    task = story.task
    print_pairs(
        [
            ("task", f"{task.id}, {task.state}" + (", flagged" if task.is_flagged else "")),
            ("tenant", f"{story.tenant} (token {task.token_id})"),
            ("endpoint", task.endpoint),
            ("channel", story.channel),
            ("tried before", ", ".join(story.channels_tried) or None),
            ("Kling's id", task.kling_id),
            ("tenant's id", task.tenant_external_id),
            ("injected id", task.injected_id),
            ("request", task.request_id),
            ("Kling's request", task.kling_request_id),
            ("failure", task.fail_message),
            ("results", ", ".join(task.result_urls) or None),
        ]
    )
    import msgspec

    from relay.desk.actor import ActorKind
    from relay.kling.wanted import Wanted

    click.echo("\nMoney")
    row = task.quote.get("row", {})
    is_open = task.hold_ended_at is None
    charged, refunded = task.charged_micros, story.refunded_micros
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
        told = printable(one.detail + by)
        click.echo(f"{moment(one.at)}  {one.what.ljust(16)}  {told}".rstrip())
        _indented(one.body)
    if task.reply is not None:
        click.echo("\nLast reply")
        _indented(task.reply)


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
