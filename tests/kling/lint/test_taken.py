"""What Kling's pages and clients send breaks no rule, and so does what can be read in two ways."""

import json
from typing import Any

import pytest

from relay.cli.demo.orders import ORDERS
from relay.kling.body import read_fields
from relay.kling.endpoint import Endpoint
from relay.kling.endpoints import BY_NAME, ENDPOINTS
from relay.kling.lint.judge import lint
from relay.kling.lint.rules import Broken
from relay.trial.plan import _BODIES as TRIALS
from tests.clients.test_strict_clients import PROMPT as STRICT
from tests.corpus.examples import EXAMPLES
from tests.kling.lint.wrong import FIRST, LAST, O1, OMNI, PICTURE, RIGHT, SHOT, SHOTS, V3, V26, ZOOM
from tests.relay_app import CLIP as SHORT_CLIP
from tests.sandbox.bodies import BODIES, CLIP, URL
from tests.sandbox.test_parameters import ACCEPTED

BY_PATH = {one.path: one for one in ENDPOINTS if one.method == "POST"}
FILE = "asset://5f0c1a2b-0000-4000-8000-00000000000a"
BASE64 = "iVBORw0KGgo="


def judge(endpoint: str | Endpoint, body: object, model: str | None = None) -> Broken | None:
    found = BY_NAME[endpoint] if isinstance(endpoint, str) else endpoint
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lint(found, read_fields(text), model)


class AnyId(dict[str, str]):
    """An id for each place of the corpus."""

    def __missing__(self, key: str) -> str:
        return "829836802793406551"


def test_the_recorded_corpus_passes() -> None:
    """With its odd bytes: 1e400, integers of any size, fields that no page names."""
    broken = [(one.name, judge(one.endpoint, one.body(AnyId()), one.model)) for one in EXAMPLES]

    assert [one for one in broken if one[1]] == []


@pytest.mark.parametrize("model", ["kling-3.0", "kling-4.0-flash"])
def test_what_the_sandbox_takes_passes(model: str) -> None:
    """Its smallest bodies, and those that its own reading of section 4 lets through."""
    bodies: list[tuple[Endpoint, object]] = [
        (BY_PATH[path], body) for path, body in BODIES.items() if path in BY_PATH
    ]
    bodies += [(BY_PATH[path], body) for path, body in ACCEPTED]

    broken = [
        (one.path, body, judge(one, body, model if "{model}" in one.path else None))
        for one, body in bodies
    ]
    assert [one for one in broken if one[2]] == []


def test_what_we_send_and_show_ourselves_passes() -> None:
    """The demo's orders, what `channel try` sends, and what strict clients do."""
    ours: list[tuple[str, object, str | None]] = [
        *((order.endpoint, order.body, None) for order in ORDERS),
        *((name, body, model) for name, model, body in TRIALS),
        ("text2video", STRICT, None),
        ("text2video", SHORT_CLIP, None),
    ]

    broken = [(name, judge(name, body, model)) for name, body, model in ours]
    assert [one for one in broken if one[1]] == []


TAKEN: list[tuple[str, dict[str, Any]]] = [
    # null, "", [] and {} are absent, as clients send fields that they do not use.
    (
        "image2video",
        {
            "image": BASE64,
            "image_tail": "",
            "static_mask": None,
            "dynamic_masks": [],
            "camera_control": {},
            "element_list": [],
            "voice_list": None,
            "duration": "",
        },
    ),
    # Numbers and booleans as texts, and the other way round.
    ("text2video", {**V3, "prompt": "a", "duration": 15.0, "multi_shot": "false"}),
    ("text2video", {**V3, **SHOTS, "multi_prompt": [{**SHOT, "duration": 5.0}], "duration": 5}),
    ("text2video", {"prompt": "a", "cfg_scale": "0.5", "sound": "OFF", "mode": "PRO"}),
    ("generations", {"prompt": "a", "n": "9", "resolution": "2K"}),
    ("2.0-motion-control", {**RIGHT["2.0-motion-control"], "settings": None, "Settings": {}}),
    # Under another spelling a field may be read, or be none: either may be meant.
    ("text2video", {"Prompt": "a"}),
    ("identify-face", {"video_url": CLIP, "video_id": "1", "videoId": "2"}),
    ("multi-image2video", {"prompt": "a", "image_list": [{"Image": URL}]}),
    ("multi-image2video", {"prompt": "a", "image_list": [URL]}),
    ("multi-image2video", {"prompt": "a", "image_list": {"image": URL}}),
    # What Kling makes of another type is not known.
    ("text2video", {"prompt": 7, "mode": 1, "sound": True, "duration": {"s": 5}}),
    ("text2video", {**V3, "prompt": "a", "multi_shot": "yes", "voice_list": "none"}),
    # Ignored, by Kling's pages, or where it does not say so.
    ("text2video", {**V3, **SHOTS, "prompt": "x" * 9000}),
    ("text2video", {**V3, "prompt": "a", "multi_prompt": [SHOT] * 9, "shot_type": "none"}),
    ("text2video", {**V26, "prompt": "a", "multi_shot": True}),
    ("text2video", {"prompt": "a", "model": "kling-v9", "camera_control": ZOOM, **V3}),
    ("text2video", {"prompt": "a", "model_name": "kling-v2-master", "mode": "4k", "sound": "on"}),
    ("omni-image", {"prompt": "a", "result_type": "series", "n": 99, "series_amount": "auto"}),
    ("omni-video", {**O1, "prompt": "a", "video_list": [{"video_url": CLIP}], "duration": "99"}),
    ("multi-elements", {**RIGHT["multi-elements"], "image_list": [{"image": URL}]}),
    ("lip-sync", {"input": {"video_id": "1", "video_url": CLIP}}),
    # At the bound.
    ("text2video", {"prompt": "\U0001f98a" * 2500}),
    ("expand", {**RIGHT["expand"], "up_expansion_ratio": "1.4", "left_expansion_ratio": 0.1}),
    ("omni-video", {**OMNI, "prompt": "a", "aspect_ratio": "1:1", "image_list": [PICTURE] * 7}),
    ("omni-video", {**O1, "prompt": "a", "image_list": [FIRST, LAST], "duration": "7"}),
    ("text2video", {"prompt": "a", "camera_control": {"type": "down_back", "config": {"pan": 0}}}),
    # Files of ours, and base64 that looks like nothing.
    ("image2video", {"image": FILE, "image_tail": "data"}),
    ("motion-control", {**RIGHT["motion-control"], "image_url": BASE64, "video_url": FILE}),
    ("identify-face", {"video_url": " HTTPS://example.com/a.mp4"}),
    ("avatar", {"image": URL, "sound_file": "data:audio/mp3;base64,SUQz"}),
]


@pytest.mark.parametrize(("endpoint", "body"), TAKEN)
def test_what_kling_may_take_passes(endpoint: str, body: dict[str, Any]) -> None:
    """One leniency each; a rule is for what Kling refuses for sure."""
    assert judge(endpoint, body) is None


def test_of_two_fields_with_one_name_none_is_judged() -> None:
    """Inside of a value: which of them Kling reads is not known."""
    two = b'{"prompt":"a","camera_control":{"type":"spin","type":"simple","config":{"pan":1}}}'

    assert judge("text2video", two) is None


def test_a_prompt_that_was_cut_in_an_emoji_is_counted() -> None:
    """It is a character as any other."""
    cut = b'{"prompt":"' + b"x" * 2499 + b'\\ud83e"}'

    assert judge("text2video", cut) is None
    assert judge("text2video", cut.replace(b"xx", b"xxx", 1)) is not None


def test_pictures_of_megabytes_are_looked_at_by_their_first_bytes() -> None:
    """What is judged of them costs no copy: 200 bodies of 20 MB, in seconds."""
    body = b'{"image":"' + b"A" * 20_000_000 + b'"}'
    fields = read_fields(body)

    for _ in range(200):
        assert lint(BY_NAME["image2video"], fields) is None
