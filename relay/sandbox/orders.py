"""From a request body to what was ordered: the fields that price, run and report a task.

Everything else, images above all, is forgotten when the checks are done.
"""

import json
from dataclasses import dataclass

from relay.sandbox.catalogue import Endpoint
from relay.sandbox.errors import Refusal
from relay.sandbox.faults import Faults, find_faults
from relay.sandbox.fields import Fields
from relay.sandbox.models import modes_of, seconds_of

UNKNOWN_SECONDS = 5
"""The length of a result whose input we would have to download to measure."""

IMAGES_MAX = 9
SERIES_DEFAULT = 4


@dataclass(frozen=True, slots=True)
class Order:
    """One accepted body."""

    endpoint: Endpoint
    model: str
    mode: str
    seconds: int
    sound: bool
    voice_control: bool
    video_input: bool
    images_in: int
    images_out: int
    resolution: str
    external_task_id: str
    callback_url: str
    watermark: bool
    faults: Faults

    @property
    def slots(self) -> int:
        """How many running tasks this one counts for: an image task one for each image."""
        return self.images_out if self.endpoint.results == "images" else 1


def read_order(endpoint: Endpoint, body: bytes) -> Order:
    """Check a create body by kling-api.md section 4.

    Raises:
        Refusal: 1200 not a JSON object; 1201 a field is missing or wrong; 1203 unknown model.
    """
    fields = Fields(_object_of(body))
    for group in endpoint.needs:
        fields.need(*group)
    model = _model_of(endpoint, fields)
    mode = _mode_of(endpoint, fields, model)
    if endpoint.check is not None:
        endpoint.check(fields, model)
    prompt = fields.text("prompt")
    texts = [prompt, *(shot.text("prompt") for shot in fields.parts("multi_prompt", most=6))]
    callback_url = fields.text("callback_url")
    if callback_url and not callback_url.startswith(("http://", "https://")):
        raise fields.refusal("callback_url", "must be a http(s) URL")
    return Order(
        endpoint=endpoint,
        model=model,
        mode=mode,
        seconds=_seconds_of(endpoint, fields, model),
        sound=fields.has("sound") and fields.text("sound") == "on",
        voice_control=fields.has("voice_list") and any("<<<voice_" in text for text in texts),
        video_input=fields.has("video_list"),
        images_in=_images_in(fields),
        images_out=_images_out(endpoint, fields),
        resolution=fields.text("resolution"),
        external_task_id=_writable(fields.text("external_task_id")),
        callback_url=_writable(callback_url),
        watermark=fields.part("watermark_info").flag("enabled"),
        faults=find_faults("\n".join(texts)),
    )


def _object_of(body: bytes) -> dict[str, object]:
    """Parse with the standard library: it takes 1e400 and integers of any size, as Kling does."""
    try:
        values = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal(1200, "the request body is not valid JSON") from error
    if not isinstance(values, dict):
        raise Refusal(1200, "the request body must be a JSON object")
    return values


def _refuse_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _writable(text: str) -> str:
    """Replace half surrogates, which JSON can escape and UTF-8 cannot write."""
    return text.encode(errors="replace").decode()


def _model_of(endpoint: Endpoint, fields: Fields) -> str:
    if not endpoint.models:
        return ""
    model = fields.text("model_name") or endpoint.models[0]
    if model not in endpoint.models:
        raise Refusal(1203, f"model_name {model[:100]} does not exist")
    return model


def _mode_of(endpoint: Endpoint, fields: Fields, model: str) -> str:
    if endpoint.default_mode is None:
        return ""
    return fields.choice("mode", modes_of(model), endpoint.default_mode)


def _seconds_of(endpoint: Endpoint, fields: Fields, model: str) -> int:
    if not endpoint.takes_duration:
        return UNKNOWN_SECONDS
    seconds = fields.whole("duration", seconds_of(model), 5)
    videos = fields.parts("video_list", most=1)
    if videos and videos[0].text("refer_type") != "feature":
        return UNKNOWN_SECONDS  # the result is as long as the base video
    return seconds


def _images_in(fields: Fields) -> int:
    listed = fields.parts("image_list", most=100) + fields.parts("subject_image_list", most=100)
    return len(listed) + (1 if fields.has("image") else 0)


def _images_out(endpoint: Endpoint, fields: Fields) -> int:
    if endpoint.results != "images":
        return 1
    if fields.text("result_type") == "series":
        if not fields.has("series_amount") or fields.is_word("series_amount", "auto"):
            return SERIES_DEFAULT
        return fields.whole("series_amount", range(2, IMAGES_MAX + 1), SERIES_DEFAULT)
    return fields.whole("n", range(1, IMAGES_MAX + 1), 1)
