"""What a task is priced by, in every way in which Kling may read its body.

Most bodies can be read in one way. Of what is spelt oddly nobody knows what Kling makes, and it
passes on as it is: so all that it may mean is listed, for the hold to cover the dearest.
"""

from itertools import product
from typing import NamedTuple

import msgspec

from relay.kling import readings
from relay.kling.alike import Reading
from relay.kling.endpoint import Endpoint
from relay.kling.models import model_at
from relay.kling.words import NO_WORDS, Words, meant_by


class Wanted(msgspec.Struct, frozen=True):
    """What a task is priced by; frozen with its quote, and kept where no price was found."""

    endpoint: str
    model: str | None = None
    mode: str | None = None
    sound: bool | None = None
    voice: bool | None = None
    video_input: bool | None = None
    """With a video, or for images a reference image, where that changes the price."""
    seconds: int | None = None
    """None if Kling decides the length, or there is none."""
    is_open: bool = False
    """Kling decides the length."""
    count: int = 1
    """Images asked for."""
    seconds_max: int = 10
    is_image: bool = False
    """Made of image units, as far as the endpoint tells."""
    input_seconds: int = 0
    """Of input videos that may be billed beside the output, at the most."""
    version: int = 1
    """Of these fields. One that changes its meaning raises it, so that old quotes stay readable."""

    def __str__(self) -> str:
        """Spell it for people; nothing reads it back."""
        words = {"model": self.model, "mode": self.mode}
        switches = {"sound": self.sound, "voice": self.voice, "video-input": self.video_input}
        words |= {
            name: None if flag is None else ("on" if flag else "off")
            for name, flag in switches.items()
        }
        length = None if self.seconds is None else str(self.seconds)
        words["duration"] = "open" if self.is_open else length
        named = [f"{name}={word}" for name, word in words.items() if word is not None]
        return " ".join([self.endpoint, *named])


class Asked(NamedTuple):
    """What a body may ask for."""

    wanted: tuple[Wanted, ...]
    """At least one: the first as the documents say, then whatever else Kling may read."""
    is_plain: bool
    """No field of it is spelt oddly, and none has a value that may mean several things."""

    @property
    def has_one_length(self) -> bool:
        return len({one.seconds for one in self.wanted}) == 1


def read_wanted(
    endpoint: Endpoint, body: Reading, *, model: str | None = None, words: Words = NO_WORDS
) -> Asked:
    """Read what prices the task; `model` is the one in the path, where it stands there.

    `words` are those that have a price. Nothing is refused that Kling might take.

    Raises:
        InvalidParameter: a field that prices it is of a type or size that Kling takes nowhere; the
            message names the field.
    """
    pricing = endpoint.pricing
    contents = readings.read_contents(body, pricing)
    count = readings.count(body, pricing)
    is_named = True
    row = model_at(endpoint.name, model)
    seconds_max = pricing.seconds_max if row is None else row.seconds_max
    input_seconds = 0 if row is None else contents.input_seconds(row.input_seconds)
    if model is None:
        models, is_named = readings.models(body, endpoint, words)
    else:
        models = tuple(dict.fromkeys([model, *meant_by(model, words.models)]))
    others = (
        readings.words(body, pricing.mode, words.modes),
        readings.switched(body, pricing.sound),
        readings.voices(body, pricing, contents),
        readings.inputs(body, pricing, contents, row),
        readings.lengths(body, pricing, contents, words, seconds_max),
    )
    wanted = tuple(
        Wanted(
            endpoint=endpoint.name,
            model=one,
            mode=mode,
            sound=sound,
            voice=voice,
            video_input=video_input,
            seconds=seconds,
            is_open=seconds is None and (pricing.is_open or pricing.duration is not None),
            count=count,
            seconds_max=seconds_max,
            is_image=pricing.count is not None,
            input_seconds=input_seconds if video_input else 0,
        )
        for one, mode, sound, voice, video_input, seconds in product(models, *others)
    )
    # A body without a model is an everyday one, though its model is open.
    has_one_of_each = (len(models) == 1 or not is_named) and all(
        len(meanings) == 1 for meanings in others
    )
    return Asked(wanted, is_plain=has_one_of_each and not body.has_alike)
