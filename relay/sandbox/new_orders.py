"""Bodies of API 2.0 (docs/kling-api.md 4.17) and of the solutions (3.3)."""

from relay.sandbox.bodies import writable
from relay.sandbox.endpoint import Endpoint
from relay.sandbox.errors import Refusal
from relay.sandbox.faults import Faults
from relay.sandbox.fields import Fields
from relay.sandbox.new_models import MODELS, Rules
from relay.sandbox.orders import Order, callback_url_of, input_seconds

CONTENTS_MAX = 20
CALLBACK_URL_MAX = 1024
"""Said on the pages of the solutions only; taken for both."""

_MODES = {"720p": "std", "1080p": "pro", "4k": "4k"}
_VIDEOS = ("feature_video", "base_video")
_NAMED = {"element": "element_id", "voice": "voice_id"}
"""Types of contents that name a thing; `prompt` has a text, all others have a `url`."""


def new_order(endpoint: Endpoint, model: str, values: dict[str, object], faults: Faults) -> Order:
    """Check a create body of API 2.0 for the model in the path.

    Raises:
        Refusal: 1203 the operation has no such model; 1201 a field is missing or wrong.
    """
    operation = endpoint.path.split("/")[1]
    rules = MODELS[operation].get(model)
    if rules is None:
        raise Refusal(1203, f"model {model[:100]} does not exist")
    fields = Fields(values)
    parts = fields.parts("contents", most=CONTENTS_MAX)
    prompt = _prompt_of(fields, parts, longest=rules.prompt_max)
    types = _types_of(fields, parts, rules)
    for needed in rules.needs:
        if needed not in {*types, *(["prompt"] if prompt else [])}:
            raise fields.refusal("prompt" if needed == "prompt" else "contents", _lacks(needed))
    settings = fields.part("settings")
    resolution = settings.choice("resolution", rules.resolutions, rules.resolutions[0])
    audio = settings.choice("audio", rules.audio, rules.audio[0]) if rules.audio else ""
    _check_settings(settings, rules, operation, resolution=resolution, used={*types, audio})
    seconds = settings.whole("duration", rules.seconds, 5) if rules.seconds else None
    if "base_video" in types:
        seconds = None  # the result is as long as the base video
    if not rules.takes_ids:
        _refuse_ids(fields.part("options"), model)
    voices = [part for part in parts if part.is_word("type", "voice")]
    return _ordered(
        endpoint,
        fields,
        faults,
        model=rules.payer_id,
        mode=_MODES[resolution],
        resolution=resolution,
        seconds=seconds,
        sound=audio == "native" or rules.always_sounds,
        voice_control=any(f"@{voice.text('id')}" in prompt for voice in voices),
        video_input=any(one in types for one in _VIDEOS),
        videos_in=sum(one in _VIDEOS for one in types) if rules.bills_input else 0,
    )


def solution_order(endpoint: Endpoint, values: dict[str, object], faults: Faults) -> Order:
    """Read a body of a solution. Their fields were never captured: only `options` is checked."""
    return _ordered(endpoint, Fields(values), faults)


def _ordered(  # the keywords default to what a solution is
    endpoint: Endpoint,
    fields: Fields,
    faults: Faults,
    *,
    model: str = "",
    mode: str = "",
    resolution: str = "",
    seconds: int | None = None,
    sound: bool = False,
    voice_control: bool = False,
    video_input: bool = False,
    videos_in: int = 0,
) -> Order:
    options = fields.part("options")
    is_marked = options.part("watermark_info").flag("enabled")
    if endpoint.generation == "solutions" and not options.has("watermark_info"):
        is_marked = options.flag("watermark")
    return Order(
        endpoint=endpoint,
        model=model,
        mode=mode,
        seconds=input_seconds(faults) if seconds is None else seconds,
        sound=sound,
        voice_control=voice_control,
        video_input=video_input,
        images_in=0,
        images_out=1,
        resolution=resolution,
        external_task_id=writable(options.text("external_task_id")),
        callback_url=callback_url_of(options, longest=CALLBACK_URL_MAX),
        watermark=is_marked,
        faults=faults,
        is_as_long_as_input=seconds is None,
        billed_input_seconds=videos_in * input_seconds(faults),
    )


def _refuse_ids(options: Fields, model: str) -> None:
    """Refuse what one source says that Kling 4.0 does not support (section 17)."""
    for name in ("external_task_id", "callback_url"):
        if options.has(name):
            raise options.refusal(name, f"is not supported on {model}")


def _prompt_of(fields: Fields, parts: list[Fields], *, longest: int) -> str:
    """Read the prompt, which stands at the top or among the contents."""
    texts = [fields.text("prompt", longest=longest)]
    texts += [
        part.text("text", longest=longest) for part in parts if part.is_word("type", "prompt")
    ]
    return "\n".join(text for text in texts if text)


def _types_of(fields: Fields, parts: list[Fields], rules: Rules) -> list[str]:
    """Check the contents beside the prompt and list their types."""
    types = []
    for part in parts:
        part.need("type")
        type_name = part.choice("type", ("prompt", *rules.contents), "")
        if type_name == "prompt":
            part.need("text")
            continue
        part.need(_NAMED.get(type_name, "url"))
        if type_name not in _NAMED:
            part.picture("url")
        types.append(type_name)
    for type_name, most in rules.contents.items():
        if types.count(type_name) > most:
            raise fields.refusal("contents", f"must have at most {most} of type {type_name}")
    if "last_frame" in types and "first_frame" not in types:
        raise fields.refusal("contents", "with a last_frame needs a first_frame")
    if sum(one in _VIDEOS for one in types) > rules.videos_max:
        raise fields.refusal("contents", f"must have at most {rules.videos_max} of video")
    return types


def _check_settings(
    settings: Fields, rules: Rules, operation: str, *, resolution: str, used: set[str]
) -> None:
    if operation == "motion-control":
        settings.need("character_orientation")
        settings.choice("character_orientation", ("image", "video"), "")
    if rules.ratios:
        settings.choice("aspect_ratio", rules.ratios, rules.ratios[0])
    if rules.has_shots:
        settings.flag("multi_shot")
    for one in rules.needs_1080p:
        if one in used and resolution != "1080p":
            raise settings.refusal("resolution", f"must be 1080p with {one}")
    if used & set(_VIDEOS):
        if "native" in used:
            raise settings.refusal("audio", "native cannot be used with a video")
        if resolution == "4k":
            raise settings.refusal("resolution", "4k cannot be used with a video")


def _lacks(needed: str) -> str:
    return "is required" if needed == "prompt" else f"must have one of type {needed}"
