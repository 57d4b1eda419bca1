"""From a request body to what was ordered: the fields that price, run and report a task.

Everything else, images above all, is forgotten when the checks are done. Here legacy bodies;
`new_orders` reads those of API 2.0 and of the solutions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from relay.sandbox.bodies import faults_of, read_body, writable
from relay.sandbox.endpoint import Endpoint
from relay.sandbox.errors import Refusal
from relay.sandbox.faults import Faults
from relay.sandbox.fields import Fields
from relay.sandbox.models import modes_of, seconds_of
from relay.sandbox.things import Thing

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
    is_series: bool = False
    is_as_long_as_input: bool = False
    """Whether the result is as long as a video or audio that the body names."""
    billed_input_seconds: int = 0
    """Of the videos that were put in, where they are billed too."""
    repeats: Mapping[str, object] = field(default_factory=dict)
    """Fields of the body that the result says again."""
    source: Thing | None = None
    """The video, audio or session that was worked on, if the body named one of the account."""

    @property
    def slots(self) -> int:
        """Say how many running tasks this one counts for: an image task one for each image."""
        return self.images_out if self.endpoint.results == "images" else 1

    def naming(self, things: list[Thing]) -> "Order":
        """Take length and model of what is worked on; `things` are all that the body names."""
        sources = [thing for thing in things if thing.kind in {"video", "audio", "session"}]
        if not sources:
            return self
        source = sources[0]
        seconds = self.seconds
        if self.is_as_long_as_input and "seconds" not in self.faults:
            seconds = source.seconds
        model, mode = self.model or source.model, self.mode or source.mode
        return replace(self, source=source, seconds=seconds, model=model, mode=mode)


def read_order(endpoint: Endpoint, body: bytes) -> Order:
    """Check a legacy create body by docs/kling-api.md 4.

    Raises:
        Refusal: 1200 not a JSON object; 1201 a field is missing or wrong; 1203 unknown model.
    """
    values = read_body(body)
    return legacy_order(endpoint, values, faults_of(values))


def legacy_order(endpoint: Endpoint, values: dict[str, object], faults: Faults) -> Order:
    """Check a legacy create body that was parsed; raises as `read_order` does."""
    fields = Fields(values)
    for group in endpoint.needs:
        fields.need(*group)
    model = _model_of(endpoint, fields)
    mode = _mode_of(endpoint, fields, model)
    if endpoint.check is not None:
        endpoint.check(fields, model)
    prompt = fields.text("prompt")
    texts = [prompt, *(shot.text("prompt") for shot in fields.parts("multi_prompt", most=6))]
    seconds = _seconds_of(endpoint, fields, model)
    return Order(
        endpoint=endpoint,
        model=model,
        mode=mode,
        seconds=input_seconds(faults) if seconds is None else seconds,
        sound=fields.has("sound") and fields.text("sound") == "on",
        voice_control=fields.has("voice_list") and any("<<<voice_" in text for text in texts),
        video_input=fields.has("video_list"),
        images_in=_images_in(fields),
        images_out=_images_out(endpoint, fields),
        resolution=fields.text("resolution"),
        external_task_id=writable(fields.text("external_task_id")),
        callback_url=callback_url_of(fields),
        watermark=fields.part("watermark_info").flag("enabled"),
        faults=faults,
        is_series=fields.is_word("result_type", "series"),
        is_as_long_as_input=seconds is None,
        repeats={name: values[name] for name in endpoint.repeats if fields.has(name)},
    )


def callback_url_of(fields: Fields, *, longest: int | None = None) -> str:
    """Read `callback_url`, "" if absent."""
    url = fields.text("callback_url", longest=longest)
    if url and not url.startswith(("http://", "https://")):
        raise fields.refusal("callback_url", "must be a http(s) URL")
    return writable(url)


def input_seconds(faults: Faults) -> int:
    """Say how long an input is: rounded, as motion control is billed (section 10)."""
    return max(1, int(faults.seconds("seconds", UNKNOWN_SECONDS) + 0.5))


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


def _seconds_of(endpoint: Endpoint, fields: Fields, model: str) -> int | None:
    """Read how long the result will be; None if its input decides."""
    if endpoint.results == "audios" and fields.has("duration"):
        return int(fields.number("duration", lowest=3, highest=10) + 0.5)
    if not endpoint.takes_duration:
        return None
    seconds = fields.whole("duration", seconds_of(model), 5)
    videos = fields.parts("video_list", most=1)
    if videos and videos[0].text("refer_type") != "feature":
        return None  # the result is as long as the base video
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
