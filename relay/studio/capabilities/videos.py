"""Videos: from words, from pictures, after a movement, and what is made of videos.

Source of what Kling takes: docs/kling-api.md 4 and 11; of the fields' names here: the documents
that this layer was planned by, section 14 with what of them is wrong.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.errors import InvalidParameter
from relay.kling.models import successor_at
from relay.runs.plan import PlannedStep, made_by
from relay.studio.capabilities.capability import (
    Body,
    Capability,
    Media,
    Modelled,
    Rules,
    Text,
    either,
    given,
    needed,
)

Number = float | str | UnsetType | None
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
OMNI = successor_at("multi-image2video")
"""What has several pictures in one clip: the model of Kling's own path for it has ended."""
_NOT_OF_OMNI = ("negative_prompt", "cfg_scale")
IMAGES_MAX = 7
"""Pictures that one clip may refer to (4.4)."""


class Clip(Modelled, kw_only=True):
    """What clips share."""

    prompt: Text = UNSET
    negative_prompt: Text = UNSET
    mode: Text = UNSET
    duration: str | int | UnsetType | None = UNSET
    sound: Text = UNSET
    cfg_scale: Number = UNSET

    def clip(self, endpoint: str, default: str | None = None) -> dict[str, Any]:
        return given(
            model_name=self.model_at(endpoint, default),
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            mode=self.mode,
            duration=_spelt(self.duration),
            sound=self.sound,
            cfg_scale=self.cfg_scale,
        )


class TextToVideo(Clip, kw_only=True):
    """A clip from words."""

    prompt: str
    aspect_ratio: Text = UNSET
    camera_control: dict[str, Any] | UnsetType | None = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        needed("prompt", self.prompt)
        extra = given(aspect_ratio=self.aspect_ratio, camera_control=self.camera_control)
        return [PlannedStep("video", "text2video", self.clip("text2video") | extra)]


class ImageToVideo(Clip, kw_only=True):
    """A clip from a picture, or from a first and a last one."""

    image: Text = UNSET
    image_tail: Text = UNSET
    static_mask: Text = UNSET
    dynamic_masks: list[dict[str, Any]] | UnsetType | None = UNSET
    camera_control: dict[str, Any] | UnsetType | None = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        pictures = given(image=self.image, image_tail=self.image_tail)
        if not pictures:
            raise InvalidParameter("image", "must be given, or image_tail")
        extra = given(
            static_mask=self.static_mask,
            dynamic_masks=self.dynamic_masks,
            camera_control=self.camera_control,
        )
        body = self.clip("image2video") | pictures | extra
        return [PlannedStep("video", "image2video", body)]


class MultiImageToVideo(Clip, kw_only=True):
    """A clip with what is in several pictures."""

    images: list[str]
    prompt: str
    aspect_ratio: str = "16:9"

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        needed("prompt", self.prompt)
        if not 0 < len(self.images) <= IMAGES_MAX:
            raise InvalidParameter("images", f"must be 1 to {IMAGES_MAX} pictures")
        body = self.clip(OMNI.endpoint, OMNI.model) | {
            "prompt": naming_pictures(self.prompt, len(self.images)),
            "image_list": [{"image_url": one} for one in self.images],
            "aspect_ratio": self.aspect_ratio,
        }
        for name in _NOT_OF_OMNI:
            body.pop(name, None)
        return [PlannedStep("video", OMNI.endpoint, body)]


def naming_pictures(prompt: str, count: int) -> str:
    """Name each picture behind the words, unless they do: an omni model uses what is named."""
    if "<<<image_" in prompt:
        return prompt
    return prompt + "".join(f" <<<image_{place + 1}>>>" for place in range(count))


class MotionControl(Modelled, kw_only=True):
    """The movement of a video, done by who is in a picture."""

    image: Text = UNSET
    image_url: Text = UNSET
    video_url: str
    character_orientation: str = "video"
    mode: str = "std"
    prompt: Text = UNSET
    keep_original_sound: Text = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        picture = next(iter(either(image=self.image, image_url=self.image_url).values()))
        body = given(
            model_name=self.model_at("motion-control"),
            image_url=picture,
            video_url=needed("video_url", self.video_url),
            character_orientation=self.character_orientation,
            mode=self.mode,
            prompt=self.prompt,
            keep_original_sound=self.keep_original_sound,
        )
        return [PlannedStep("video", "motion-control", body)]


class VideoExtend(Body, kw_only=True):
    """Some seconds more of a clip that Kling made. Kling extends at the end alone."""

    video_id: str
    prompt: Text = UNSET
    negative_prompt: Text = UNSET
    cfg_scale: Number = UNSET
    extend_direction: Text = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        body = given(
            video_id=needed("video_id", self.video_id),
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            cfg_scale=self.cfg_scale,
        )
        return [PlannedStep("video", "video-extend", body)]


class LipSync(Body, kw_only=True):
    """A video whose first face says what is in a sound, or a text."""

    video_url: Text = UNSET
    video_id: Text = UNSET
    audio_url: Text = UNSET
    audio_id: Text = UNSET
    text: Text = UNSET
    voice_id: Text = UNSET
    voice_language: Text = UNSET
    voice_speed: Number = UNSET
    audio_duration: Seconds | UnsetType | None = UNSET
    """Seconds of the sound; where they are not given, it lasts as long as the face is seen."""
    sound_volume: Number = UNSET
    original_audio_volume: Number = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        video = either(video_url=self.video_url, video_id=self.video_id)
        sound = either(audio_url=self.audio_url, audio_id=self.audio_id, text=self.text)
        steps = [PlannedStep("face", "identify-face", video, is_result=False)]
        seen_ms = made_by("face", "face_data.0.end_time", less="face_data.0.start_time")
        end: Any = seen_ms
        if "text" in sound:
            steps.append(speech(self, sound["text"]))
            sound = {"audio_id": made_by("speech", "task_result.audios.0.id")}
        elif "audio_url" in sound:
            sound = {"sound_file": sound["audio_url"]}
        if isinstance(self.audio_duration, float | int):
            end = int(self.audio_duration * 1000)
        choice = {
            "face_id": made_by("face", "face_data.0.face_id"),
            **sound,
            "sound_start_time": 0,
            "sound_end_time": end,
            "sound_insert_time": made_by("face", "face_data.0.start_time"),
            **given(
                sound_volume=self.sound_volume, original_audio_volume=self.original_audio_volume
            ),
        }
        body = {"session_id": made_by("face", "session_id"), "face_choose": [choice]}
        return [*steps, PlannedStep("video", "advanced-lip-sync", body)]


class Avatar(Body, kw_only=True):
    """A picture that says what is in a sound, or a text."""

    image: str
    audio_url: Text = UNSET
    audio_id: Text = UNSET
    text: Text = UNSET
    voice_id: Text = UNSET
    voice_language: Text = UNSET
    voice_speed: Number = UNSET
    prompt: Text = UNSET
    mode: Text = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        sound = either(audio_url=self.audio_url, audio_id=self.audio_id, text=self.text)
        steps = []
        if "text" in sound:
            steps.append(speech(self, sound["text"]))
            sound = {"audio_id": made_by("speech", "task_result.audios.0.id")}
        elif "audio_url" in sound:
            sound = {"sound_file": sound["audio_url"]}
        body = given(image=needed("image", self.image), prompt=self.prompt, mode=self.mode) | sound
        return [*steps, PlannedStep("video", "avatar", body)]


class Effects(Body, kw_only=True):
    """One of Kling's templates, with a picture or two."""

    effect_scene: str
    image: Text = UNSET
    images: list[str] | UnsetType | None = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        pictures = either(image=self.image, images=self.images)
        return [
            PlannedStep(
                "video",
                "effects",
                {"effect_scene": needed("effect_scene", self.effect_scene), "input": pictures},
            )
        ]


class Point(msgspec.Struct):
    """A place in a frame, as parts of its width and height."""

    x: float
    y: float


class MultiElements(Body, kw_only=True):
    """Something in a video, at the points that are named, taken out, put in or exchanged."""

    edit_mode: str
    prompt: str
    video_url: Text = UNSET
    video_id: Text = UNSET
    session_id: Text = UNSET
    frame_index: int = 0
    points: list[Point] | UnsetType | None = UNSET
    images: list[str] | UnsetType | None = UNSET
    negative_prompt: Text = UNSET
    mode: Text = UNSET
    duration: str | int | UnsetType | None = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        source = either(
            video_url=self.video_url, video_id=self.video_id, session_id=self.session_id
        )
        steps, session = [], source.get("session_id")
        if session is None:
            session = made_by("selection", "session_id")
            steps.append(PlannedStep("selection", "init-selection", source, is_result=False))
        needs: tuple[str, ...] = ()
        if isinstance(self.points, list) and self.points:
            points = [{"x": point.x, "y": point.y} for point in self.points]
            body = {"session_id": session, "frame_index": self.frame_index, "points": points}
            steps.append(PlannedStep("points", "add-selection", body, is_result=False))
            needs = ("points",)
        body = given(
            session_id=session,
            edit_mode=self.edit_mode,
            prompt=needed("prompt", self.prompt),
            image_list=[{"image": one} for one in self.images]
            if isinstance(self.images, list)
            else UNSET,
            negative_prompt=self.negative_prompt,
            mode=self.mode,
            duration=_spelt(self.duration),
        )
        return [*steps, PlannedStep("video", "multi-elements", body, needs=needs)]


def speech(said: Any, text: str) -> PlannedStep:
    """Plan the speech that a video is made with."""
    body = {"text": text, "voice_id": needed("voice_id", said.voice_id)} | given(
        voice_language=said.voice_language, voice_speed=said.voice_speed
    )
    return PlannedStep("speech", "tts", body, is_result=False)


def _spelt(duration: str | int | UnsetType | None) -> str | None:
    return None if duration is None or duration is UNSET else str(duration)


def _capability(name: str, body: Any, endpoint: str, *media: Media, **more: Any) -> Capability:
    return Capability(
        name=name.replace("-", "_"),
        path=name,
        summary=" ".join((body.__doc__ or "").split()),
        body=body,
        steps=body.steps,
        media=media,
        endpoint=endpoint,
        **more,
    )


_VIDEO = Media("video_url", is_video=True)
VIDEOS = (
    _capability("text-to-video", TextToVideo, "text2video"),
    _capability(
        *("image-to-video", ImageToVideo, "image2video"),
        *(Media("image"), Media("image_tail"), Media("static_mask")),
    ),
    _capability(
        *("multi-image-to-video", MultiImageToVideo, OMNI.endpoint),
        Media("images", is_list=True),
        usual_model=OMNI.model,
        without_effect=_NOT_OF_OMNI,
    ),
    _capability(
        *("motion-control", MotionControl, "motion-control"),
        *(Media("image"), Media("image_url"), _VIDEO),
    ),
    _capability("video-extend", VideoExtend, "video-extend", without_effect=("extend_direction",)),
    _capability("lip-sync", LipSync, "advanced-lip-sync", _VIDEO, Media("audio_url")),
    _capability("avatar", Avatar, "avatar", Media("image"), Media("audio_url")),
    _capability("effects", Effects, "effects", Media("image"), Media("images", is_list=True)),
    _capability(
        "multi-elements", MultiElements, "multi-elements", _VIDEO, Media("images", is_list=True)
    ),
)
