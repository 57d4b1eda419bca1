from decimal import Decimal

import msgspec
import pytest

from relay.sandbox.catalogue import BY_PATH, ENDPOINTS
from relay.sandbox.faults import Faults
from relay.sandbox.models import modes_of, seconds_of
from relay.sandbox.new_models import MODELS
from relay.sandbox.new_orders import new_order
from relay.sandbox.orders import read_order
from relay.sandbox.units import plain, units_of
from tests.sandbox.bodies import BODIES

FREE = {"/v1/general/advanced-custom-elements"}
NO_FAULTS = Faults({})
URL = "https://example.com/a.png"
VOICE = {"sound": "on", "mode": "pro", "voice_list": [{"voice_id": "1"}]}
OMNI = {"prompt": "a cat", "aspect_ratio": "16:9"}
FEATURE = {"video_list": [{"video_url": URL, "refer_type": "feature"}]}
BASE = {"video_list": [{"video_url": URL}]}


def _units(path: str, **body: object) -> str:
    return plain(units_of(read_order(BY_PATH[f"/v1/{path}"], msgspec.json.encode(body))))


def _text(**body: object) -> str:
    return _units("videos/text2video", **{"prompt": "a cat", **body})


def test_videos_from_text_cost_what_section_10_says() -> None:
    """Units a second by model, mode and sound, times the seconds, as a plain decimal string."""
    assert _text(model_name="kling-v3") == "3"
    assert _text(model_name="kling-v3", mode="pro", duration="15") == "12"
    assert _text(model_name="kling-v3", mode="4k", duration=3) == "9"
    assert _text(model_name="kling-v3", sound="on", duration="7") == "6.3"
    assert _text(model_name="kling-v2-6") == "1.5"
    assert _text(model_name="kling-v2-6", mode="pro", duration="10") == "5"
    assert _text(model_name="kling-v2-6", mode="pro", sound="on") == "5"
    assert _text(model_name="kling-v2-5-turbo", mode="pro") == "2.5"


def test_voice_control_costs_only_if_the_prompt_uses_it() -> None:
    """Section 10: voice_list set and referenced 1.2 a second; set alone 1.0."""
    used = _text(model_name="kling-v2-6", **{**VOICE, "prompt": "<<<voice_1>>> says hello"})
    idle = _text(model_name="kling-v2-6", **VOICE)

    assert (used, idle) == ("6", "5")


def test_omni_costs_more_with_a_video() -> None:
    """O1 is pro unless told otherwise; a base video counts as 5 s whatever the body says."""
    assert _units("videos/omni-video", **OMNI) == "4"
    assert _units("videos/omni-video", **OMNI, mode="std", duration="10") == "6"
    assert _units("videos/omni-video", **OMNI, **FEATURE, duration="3") == "3.6"
    assert _units("videos/omni-video", **OMNI, **BASE, duration="10") == "6"
    omni3 = {**OMNI, "model_name": "kling-v3-omni"}
    assert _units("videos/omni-video", **omni3, sound="on", duration="4") == "4"
    assert _units("videos/omni-video", **omni3, mode="4k", duration="4") == "12"
    assert _units("videos/omni-video", **omni3, **FEATURE, mode="std", duration="4") == "3.6"


def test_retired_models_cost_by_the_clip() -> None:
    """Section 10: 5 s and 10 s of the old models."""
    images = {"image_list": [{"image": URL}], "prompt": "a cat"}
    assert _text() == "1"
    assert _text(mode="pro", duration="10") == "7"
    assert _text(model_name="kling-v2-master", duration="10") == "20"
    assert _units("videos/image2video", image=URL, model_name="kling-v2-1") == "2"
    assert _units("videos/multi-image2video", **images, mode="pro") == "3.5"
    assert _units("videos/multi-image2video", **images, duration="10") == "4"


def test_images_and_other_calls_cost_what_section_10_says() -> None:
    """Image units an image, and the calls with one price."""
    assert _units("images/generations", prompt="a cat", model_name="kling-v2-1", n=2) == "8"
    assert _units("images/generations", prompt="a", model_name="kling-v2-1", image=URL) == "8"
    assert _units("images/omni-image", prompt="a", resolution="4k") == "16"
    assert _units("audio/text-to-audio", prompt="rain", duration=5.0) == "0.25"
    assert _units("videos/avatar/image2video", image=URL, audio_id="1") == "2"
    motion = {"image_url": URL, "video_url": URL, "character_orientation": "image"}
    assert _units("videos/motion-control", **motion, mode="pro") == "4"


LEGACY = [endpoint.path for endpoint in ENDPOINTS if endpoint.generation == "legacy"]


@pytest.mark.parametrize("path", LEGACY)
def test_whatever_the_checks_let_through_has_a_price(path: str) -> None:
    """Every model, mode and length of every row: a missing price would end a task with a bug."""
    endpoint = BY_PATH[path]

    prices = [
        units_of(
            read_order(
                endpoint,
                msgspec.json.encode(
                    {"duration": seconds, "mode": mode, "model_name": model, **BODIES[path]}
                ),
            )
        )
        for model in endpoint.models or ("",)
        for mode in modes_of(model)
        for seconds in (seconds_of(model)[0], 5)
        if not (path.endswith("motion-control") and mode == "4k")
        and not (path.endswith("omni-video") and model == "kling-video-o1" and seconds == 3)
    ]

    assert prices
    assert all(price > Decimal(0) for price in prices) is (path not in FREE)


@pytest.mark.parametrize("path", [one.path for one in ENDPOINTS if one.generation == "2.0"])
def test_every_setting_of_api_2_has_a_price(path: str) -> None:
    """Every model, resolution, length and audio that the settings allow together."""
    operation = path.split("/")[1]

    orders = [
        (rules, resolution, audio, seconds)
        for rules in MODELS[operation].values()
        for resolution in rules.resolutions
        for audio in rules.audio or ("",)
        for seconds in rules.seconds or (5,)
        if audio not in rules.needs_1080p or resolution == "1080p"
    ]

    assert orders
    for model, rules in MODELS[operation].items():
        for resolution, audio, seconds in [one[1:] for one in orders if one[0] is rules]:
            settings = {"resolution": resolution, "audio": audio, "duration": seconds}
            body = {**BODIES[path], "settings": {"character_orientation": "image", **settings}}
            assert units_of(new_order(BY_PATH[path], model, body, NO_FAULTS)) > 0


def test_decimals_are_written_plainly() -> None:
    """2.5, not 2.50; 30, not 3E+1."""
    assert [plain(Decimal(text)) for text in ("2.50", "3.0", "30", "0")] == ["2.5", "3", "30", "0"]
