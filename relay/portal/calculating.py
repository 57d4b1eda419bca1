"""Which fields change the price of a create at one endpoint, and the body that they make."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from relay.html.form import Form
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Endpoint, Pricing

SECONDS_MAX, IMAGES_MAX = 3600, 9
ANY_URL = "https://example.com/a.mp4"
"""In place of what a create would name: nobody fetches it for a quote."""
PROMPT = "a paper boat"
IN_MODEL = "{model}"


class Calculation(msgspec.Struct, frozen=True):
    """What a form of one endpoint asks, and what was typed into it."""

    endpoint: Endpoint
    models: list[str]
    """That have a price there; empty where the endpoint has none."""
    modes: list[str]
    path: str
    body: dict[str, Any] | None
    """None where something is still to be chosen."""


def read_calculation(
    form: Form, catalogue: Catalogue, prices: list[dict[str, Any]]
) -> Calculation | None:
    """Read which endpoint was chosen, and make a create of its fields; None where none was.

    `prices`: as `/relay/prices` lists them, of which come the models and modes to choose from.
    """
    name = form.text("endpoint")
    if name is None:
        return None
    if name not in catalogue.names:
        form.errors["endpoint"] = form.say("Choose one of the list.")
        return None
    endpoint = catalogue.of(name)
    pricing, of_it = endpoint.pricing, [one for one in prices if one["endpoint"] == name]
    has_model = pricing.model is not None or IN_MODEL in endpoint.path
    models = _named(of_it, "model") if has_model else []
    model = form.text("model")
    chosen = [one for one in of_it if model in (None, one["model"]) or one["model"] is None]
    modes = _named(chosen, "mode") if pricing.mode else []
    if form.values.get("mode") not in modes:
        form.values.pop("mode", None)  # of the endpoint or the model that was chosen before
    body = _body(form, pricing)
    path = endpoint.path
    if IN_MODEL in path:
        if model is None or model not in models:
            return Calculation(endpoint, models, modes, path, None)
        path = path.replace(IN_MODEL, quote(model, safe=""))
    elif pricing.model and model in models:
        _put(body, pricing.model.name, model)
    return Calculation(endpoint, models, modes, path, body)


def _body(form: Form, pricing: Pricing) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if pricing.contents is None:
        body["prompt"] = PROMPT
        _name_things(form, pricing, body)
    else:
        body[pricing.contents] = _contents(form)
    if pricing.mode and (mode := form.text("mode")):
        _put(body, pricing.mode.name, mode)
    if pricing.duration and (seconds := form.whole("duration", least=1, most=SECONDS_MAX)):
        # As text in the old paths, a number in 2.0 (docs/kling-api.md 4).
        _put(body, pricing.duration.name, seconds if pricing.contents else str(seconds))
    if pricing.sound and form.is_checked("sound"):
        _put(body, pricing.sound.name, "on")
    if pricing.count and (images := form.whole("images", least=1, most=IMAGES_MAX)):
        _put(body, pricing.count.name, images)
    return body


def _name_things(form: Form, pricing: Pricing, body: dict[str, Any]) -> None:
    if pricing.voice_list and form.is_checked("voice"):
        body[pricing.voice_list] = [{"voice_id": "1"}]
        body["prompt"] += " <<<voice_1>>>"
    for name in pricing.inputs if form.is_checked("input") else ():
        item = {"video_url": ANY_URL, "refer_type": "feature"}
        body[name] = [item] if name.endswith("_list") else ANY_URL


def _contents(form: Form) -> list[dict[str, str]]:
    contents = [{"type": "prompt", "text": PROMPT}]
    if form.is_checked("voice"):
        contents.append({"type": "voice", "voice_id": "1"})
    if form.is_checked("input"):
        contents.append({"type": "feature_video", "url": ANY_URL})
    return contents


def _put(body: dict[str, Any], name: str, value: object) -> None:
    *outer, last = name.split(".")
    for part in outer:
        body = body.setdefault(part, {})
    body[last] = value


def _named(prices: Iterable[dict[str, Any]], name: str) -> list[str]:
    return list(dict.fromkeys(one[name] for one in prices if one[name] is not None))
