"""Pictures: from words, from pictures, and what is changed in one by an omni model.

Kling has no path for a swapped face, a painted-over place or another background: an omni model is
told in words, which stand in `prompts.toml` and are an operator's to change. It takes no mask
either: one is shown to it as a second picture.
Source of what Kling takes: docs/kling-api.md 4.12 to 4.14.
"""

from typing import Any

from msgspec import UNSET, UnsetType

from relay.errors import InvalidParameter
from relay.runs.plan import PlannedStep
from relay.studio.capabilities.capability import (
    Capability,
    Media,
    Modelled,
    Rules,
    Text,
    given,
    needed,
)

IMAGES_MAX = 10


class Picture(Modelled, kw_only=True):
    """What pictures share."""

    n: int | UnsetType | None = UNSET
    resolution: Text = UNSET
    aspect_ratio: Text = UNSET

    def picture(self, endpoint: str) -> dict[str, Any]:
        return given(
            model_name=self.model_at(endpoint),
            n=self.n,
            resolution=self.resolution,
            aspect_ratio=self.aspect_ratio,
        )

    def omni(self, prompt: str, images: list[Any]) -> list[PlannedStep]:
        """Plan what an omni model is to do with pictures, in the order in which words name them."""
        body = self.picture("omni-image") | {"prompt": prompt}
        return [
            PlannedStep(
                "image", "omni-image", body | given(image_list=[{"image": one} for one in images])
            )
        ]


class ImageGeneration(Picture, kw_only=True):
    """A picture from words, or from words and a picture."""

    prompt: str
    negative_prompt: Text = UNSET
    image: Text = UNSET
    image_reference: Text = UNSET
    image_fidelity: float | UnsetType | None = UNSET
    human_fidelity: float | UnsetType | None = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        extra = given(
            prompt=needed("prompt", self.prompt),
            negative_prompt=self.negative_prompt,
            image=self.image,
            image_reference=self.image_reference,
            image_fidelity=self.image_fidelity,
            human_fidelity=self.human_fidelity,
        )
        return [PlannedStep("image", "generations", self.picture("generations") | extra)]


class OmniImage(Picture, kw_only=True):
    """A picture from words and up to ten pictures, which are named `<<<image_1>>>` and on."""

    prompt: str
    images: list[str] | UnsetType | None = UNSET
    image: Text = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        images = self.images if isinstance(self.images, list) else []
        images = [*([self.image] if isinstance(self.image, str) and self.image else []), *images]
        if len(images) > IMAGES_MAX:
            raise InvalidParameter("images", f"must be at most {IMAGES_MAX} pictures")
        return self.omni(needed("prompt", self.prompt), images)


class FaceSwap(Picture, kw_only=True):
    """A scene with the face of another picture: `image` is the scene, `face_image` the face."""

    image: str
    face_image: str
    prompt: str = ""

    def steps(self, rules: Rules) -> list[PlannedStep]:
        images = [needed("image", self.image), needed("face_image", self.face_image)]
        return self.omni(rules.prompt("face_swap", self.prompt), images)


class Inpaint(Picture, kw_only=True):
    """A picture with a part of it made anew, where the mask is white if there is one."""

    image: str
    prompt: str
    mask_image: Text = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        images, words = [needed("image", self.image)], "prompt"
        if isinstance(self.mask_image, str) and self.mask_image:
            images, words = [*images, self.mask_image], "prompt_with_mask"
        prompt = rules.prompt("inpaint", needed("prompt", self.prompt), of=words)
        return self.omni(prompt, images)


class ReplaceBackground(Picture, kw_only=True):
    """What is in a picture before another background: one in words, or one in a picture."""

    image: str
    prompt: str = ""
    background_image: Text = UNSET

    def steps(self, rules: Rules) -> list[PlannedStep]:
        images, words = [needed("image", self.image)], "prompt"
        if isinstance(self.background_image, str) and self.background_image:
            images, words = [*images, self.background_image], "prompt_with_image"
        elif not self.prompt:
            raise InvalidParameter("prompt", "must be given, or background_image")
        return self.omni(rules.prompt("replace_background", self.prompt, of=words), images)


class VirtualTryOn(Modelled, kw_only=True):
    """Somebody in a picture, wearing what is in another."""

    human_image: str
    cloth_image: str

    def steps(self, rules: Rules) -> list[PlannedStep]:
        _ = rules
        body = {
            "model_name": self.model_at("kolors-virtual-try-on"),
            "human_image": needed("human_image", self.human_image),
            "cloth_image": needed("cloth_image", self.cloth_image),
        }
        return [PlannedStep("image", "kolors-virtual-try-on", body)]


def _capability(name: str, body: Any, endpoint: str, *media: Media) -> Capability:
    return Capability(
        name=name.replace("-", "_"),
        path=name,
        summary=" ".join((body.__doc__ or "").split()),
        body=body,
        steps=body.steps,
        media=media,
        endpoint=endpoint,
    )


_IMAGE = Media("image")
IMAGES = (
    _capability("image-generation", ImageGeneration, "generations", _IMAGE),
    _capability(
        *("omni-image", OmniImage, "omni-image"),
        *(_IMAGE, Media("images", is_list=True)),
    ),
    _capability(*("face-swap", FaceSwap, "omni-image", _IMAGE, Media("face_image"))),
    _capability(*("inpaint", Inpaint, "omni-image", _IMAGE, Media("mask_image"))),
    _capability(
        *("replace-background", ReplaceBackground, "omni-image"),
        *(_IMAGE, Media("background_image")),
    ),
    _capability(
        *("virtual-try-on", VirtualTryOn, "kolors-virtual-try-on"),
        *(Media("human_image"), Media("cloth_image")),
    ),
)
