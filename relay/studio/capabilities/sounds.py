"""Sounds: speech from a text. Source of what Kling takes: docs/kling-api.md 4.15."""

from msgspec import UNSET, UnsetType

from relay.runs.plan import PlannedStep
from relay.studio.capabilities.capability import Body, Capability, Rules, Text, given, needed


class TextToSpeech(Body, kw_only=True):
    """Speech from a text, in one of Kling's voices."""

    text: str
    voice_id: str
    voice_language: Text = UNSET
    voice_speed: float | str | UnsetType | None = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        body = given(
            text=needed("text", self.text),
            voice_id=needed("voice_id", self.voice_id),
            voice_language=self.voice_language,
            voice_speed=self.voice_speed,
        )
        return [PlannedStep("speech", "tts", body)]


SOUNDS = (
    Capability(
        name="text_to_speech",
        path="text-to-speech",
        summary=TextToSpeech.__doc__ or "",
        body=TextToSpeech,
        steps=TextToSpeech.steps,
        media=(),
        endpoint="tts",
    ),
)
