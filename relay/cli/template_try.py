"""`relay template try`: run a workflow on a relay with a key for tests, and watch its steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.secret_input import read_key
from relay.cli.show import json_option, note, print_json, print_pairs, print_table
from relay.cli.template_named import named_template

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.5
ENDED = ("completed", "failed", "cancelled")
OK = 200


@click.command("try")
@click.argument("name", help="The template's name.")
@click.argument("inputs", nargs=-1, metavar="[INPUT=VALUE]…", help="What it is given.")
@click.option(
    "--key",
    required=True,
    help="An API key for tests (`relay token add --test`); `-` reads it from stdin.",
)
@click.option(
    "--url",
    default="http://127.0.0.1:8700",
    show_default=True,
    help="Where the relay listens.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(1, 7200),
    default=900.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for its end.",
)
@json_option
@examples(
    "relay template try transition-light --key - \\\n"
    "    from_image_url=https://example.com/a.png to_image_url=https://example.com/b.png",
    "relay template try batch-avatars --key - audio_url=https://example.com/a.mp3 \\\n"
    "    images=https://example.com/a.png images=https://example.com/b.png",
)
def try_template(
    name: str, inputs: tuple[str, ...], key: str, url: str, wait_s: float, *, as_json: bool
) -> None:
    """Run a workflow on a running relay, and say what becomes of each step.

    A key for tests makes it on a sandbox, and costs nothing; with any other key nothing is begun.
    An input that is a list is given once for each of its items. Exit code 1: it did not end well.
    """
    import httpx

    given = _given(name, inputs)
    secret = read_key(key, "API key")
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        with httpx.Client(
            base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False
        ) as http:
            ended = _run(http, name, given, wait_s)
    except httpx.HTTPError as error:
        raise Failure(f"{url}: {type(error).__name__}: {error}") from error
    if as_json:
        print_json(ended)
    else:
        _print(ended)
    if ended["status"] != "completed":
        raise Failure(f"it is {ended['status']}: {ended['error_message'] or 'it takes too long'}")


def _given(name: str, inputs: tuple[str, ...]) -> dict[str, Any]:
    """Read what was typed: lists by the template's own word, if it is known here."""
    given: dict[str, Any] = {}
    for text in inputs:
        field, is_pair, value = text.partition("=")
        if not is_pair or not field:
            raise click.UsageError(f"{text!r} is no INPUT=VALUE.")
        given.setdefault(field, []).append(value)
    lists = _lists_of(name)
    for field, values in given.items():
        if field not in lists:
            if len(values) > 1:
                raise click.UsageError(f"{field} is given {len(values)} times, and is no list.")
            given[field] = values[0]
    return given


def _lists_of(name: str) -> set[str]:
    return {one.name for one in named_template(name).inputs if one.type.value == "list"}


def _run(http: httpx.Client, name: str, given: dict[str, Any], wait_s: float) -> dict[str, Any]:
    path = f"/api/kling/templates/{name}"
    priced = _asked(http.post(f"{path}/quote", json=given))
    if not priced["is_test"]:
        raise Failure(
            "this key is not one for tests, and the run would cost up to"
            f" {priced['total']} {priced['currency']}: make one by `relay token add TENANT --test`"
        )
    for step in priced["steps"]:
        note(f"… {step['name']}: {step['endpoint']}")
    begun = _asked(http.post(path, json=given))
    for said in begun["notes"]:
        note(f"… {said}")
    told: dict[str, str] = {}
    until = time.monotonic() + wait_s
    while True:
        seen = _asked(http.get(f"/api/kling/ai-task/{begun['task_id']}"))
        for step in seen["steps"]:
            if told.get(step["name"]) != step["state"]:
                told[step["name"]] = step["state"]
                note(f"… {step['name']}: {step['state']}")
        if seen["status"] in ENDED or time.monotonic() > until:
            return seen
        time.sleep(LOOK_EVERY_S)


def _asked(answer: httpx.Response) -> dict[str, Any]:
    """Read an answer of the studio's; a refusal is told in its words."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise Failure(f"{answer.url} answered {answer.status_code}, and no JSON")
    if answer.status_code != OK or ("error_message" in said and said.get("success") is False):
        message = said.get("error_message") or said.get("message") or "no reason"
        raise Failure(f"{answer.url.path} answered {answer.status_code}: {message}")
    return said


def _print(seen: dict[str, Any]) -> None:
    print_pairs(
        [
            ("task", seen["task_id"]),
            ("status", seen["status"]),
            ("output", seen["output_url"]),
            ("error", seen["error_message"]),
        ]
    )
    click.echo()
    print_table(
        ["step", "endpoint", "state", "Kling's task", "output"],
        [
            (
                step["name"],
                step["endpoint"],
                step["state"],
                step["provider_task_id"] or "-",
                step["output_url"] or step["error_message"] or "-",
            )
            for step in seen["steps"]
        ],
        empty="It has no steps.",
    )
