"""The recorded corpus: one example at least for each of Kling's endpoints, with odd bytes.

Made from docs/kling-api.md 4. `@VIDEO@` and its like stand for ids that the tenant made before;
each may stand at one place only, since the tests put foreign ids there one by one.
"""

import json
import re
from typing import NamedTuple

from relay.kling.endpoint import Endpoint
from relay.kling.endpoints import BY_NAME

ODD = (
    rb'"odd": {"text":"\u00e9 \u4e2d\/\u0041\b","big":[829836802793406551,18446744073709551616123],'
    rb'"x":1e400,"f":5.0,"neg":-0,"e":1E+2,"none":null,"":{},"l":[]},"tomorrow":5.0'
)
"""What no page of Kling's names, in spellings that a parser would change."""
URL = rb'"https:\/\/example.com\/a.png?b=\u0063"'
CLIP = rb'"https:\/\/example.com\/a.mp4"'
SOUND = rb'"https:\/\/example.com\/a.mp3"'
PROMPT = rb'"prompt":"a fox \u72d0\u72f8 \ud83e\udd8a"'
PRESET = "PRESET"
PLACE = re.compile(rb"@([A-Z]+)@")


class Example(NamedTuple):
    """One request to an endpoint."""

    endpoint_name: str
    fields: bytes = b""
    """Of the body, without the braces; the odd fields, external id and callback URL come beside."""
    model: str = ""
    makes: str = ""
    """Which place later examples find the id in that this one makes."""
    phase: int = 2
    """Those of a phase are played at the same time, after those of the phase before."""
    odd_name: str = ""
    """Tells a second example of the same endpoint from the first."""

    @property
    def name(self) -> str:
        return self.endpoint_name + self.odd_name

    @property
    def endpoint(self) -> Endpoint:
        return BY_NAME[self.endpoint_name]

    @property
    def path(self) -> str:
        return self.endpoint.path.replace("{model}", self.model)

    @property
    def places(self) -> list[str]:
        """Where it names things that belong to a tenant; presets belong to all."""
        found = [place.decode() for place in PLACE.findall(self.fields)]
        return [place for place in found if place != PRESET]

    def body(self, ids: dict[str, str], *, tag: str = "", external_id: str | None = None) -> bytes:
        """Spell the body. `tag` marks the request among those that reach the sandbox."""
        own = PLACE.sub(lambda place: ids[place[1].decode()].encode(), self.fields)
        words = [b'"tag":"%b"' % (tag or self.name).encode(), *([own] if own else []), ODD]
        ours = b'"callback_url":"https:\\/\\/tenant.example\\/hook?a=\\u0062"'
        if external_id is not None:
            ours += b',"external_task_id":%b' % json.dumps(external_id).encode()
        if self.endpoint.external_id_field[0] == "options":
            words.insert(1, b'"options":{"watermark_info":{"enabled":true},%b,%b}' % (ODD, ours))
        else:
            words.insert(1, b'"watermark_info":{"enabled":true}')
            words.insert(2, ours)
        return b"{" + b" , ".join(words) + b"}"


_FIRST_FRAME = rb'{"type":"first_frame","url":' + URL + b"}"
_TEXT = rb'{"type":"prompt","text":"a fox \u72d0"}'
_SIDES = b",".join(b'"%b_expansion_ratio":0.10' % side for side in (b"up", b"down", b"left"))
_POINTS = b'"session_id":"@SESSION@","frame_index":0,"points":[{"x":0.50,"y":1}]'

EXAMPLES = (
    Example(
        "text2video",
        PROMPT + b',"model_name":"kling-v3","mode":"std","duration":5.0,"multi_shot":"false"',
        makes="VIDEO",
        phase=0,
    ),
    Example("tts", b'"text":"hello \\u00e9","voice_id":"genshin_vindi2"', makes="AUDIO", phase=0),
    Example("custom-elements", b'"element_name":"fox \\u72d0"', makes="OLD", phase=0),
    Example(
        "custom-voices",
        b'"voice_name":"mine","video_id":"@VIDEO@"',
        makes="VOICE",
        phase=1,
    ),
    Example("init-selection", b'"video_id":"@VIDEO@"', makes="SESSION", phase=1),
    Example("identify-face", b'"video_id":"@VIDEO@"', makes="FACES", phase=1),
    Example(
        "advanced-custom-elements",
        rb'"element_name":"fox","element_description":"r\u00e9d","reference_type":"image_refer"'
        b',"element_image_list":{"frontal_image":'
        + URL
        + b',"refer_images":[{"image_url":'
        + URL
        + b'}]},"element_voice_id":"@PRESET@"',
        makes="ELEMENT",
        phase=1,
    ),
    Example(
        "text2video",
        PROMPT[:-1]
        + b' <<<voice_1>>>","model_name":"kling-v2-6","mode":"pro","duration":"10","sound":"on"'
        b',"voice_list":[{"voice_id":"@VOICE@"}]',
        odd_name=" with a voice",
    ),
    Example(
        "image2video",
        b'"image":' + URL + b',"model_name":"kling-v3","mode":"4k","duration":"3","element_list":'
        b'[{"element_id":@ELEMENT@}]',
    ),
    Example("multi-image2video", PROMPT + b',"image_list":[{"image":' + URL + b"}]"),
    Example(
        "omni-video",
        PROMPT + b',"model_name":"kling-v3-omni","aspect_ratio":"16:9","duration":"7","video_list":'
        b'[{"video_url":' + CLIP + b',"refer_type":"feature"}],"element_list":[{"element_id":'
        b'"@ELEMENT@"}]',
    ),
    Example(
        "motion-control",
        b'"image_url":' + URL + b',"video_url":' + CLIP + b',"character_orientation":"image",'
        b'"mode":"pro","model_name":"kling-v3","element_list":[{"element_id":@ELEMENT@}]',
    ),
    Example("video-extend", b'"video_id":"@VIDEO@",' + PROMPT),
    Example(
        "lip-sync",
        b'"input":{"video_id":"@VIDEO@","mode":"text2video","text":"hello","voice_id":"ai_kaiya",'
        b'"voice_speed":1.0}',
    ),
    Example(
        "advanced-lip-sync",
        b'"session_id":"@FACES@","face_choose":[{"face_id":"0","audio_id":"@AUDIO@",'
        b'"sound_start_time":0,"sound_end_time":2000,"sound_insert_time":0,"sound_volume":1.0}]',
    ),
    Example("effects", b'"effect_scene":"hug_pro","input":{"images":[' + URL + b"," + URL + b"]}"),
    Example("avatar", b'"image":' + URL + b',"audio_id":"@AUDIO@","mode":"pro"'),
    Example(
        "multi-elements",
        PROMPT + b',"session_id":"@SESSION@","edit_mode":"removal","mode":"pro","duration":"10"',
    ),
    Example("add-selection", _POINTS, phase=2),
    Example("preview-selection", b'"session_id":"@SESSION@"', phase=3),
    Example("delete-selection", _POINTS, phase=3),
    Example("clear-selection", b'"session_id":"@SESSION@"', phase=4),
    Example("image-recognize", b'"image":' + URL),
    Example(
        "generations",
        PROMPT + b',"model_name":"kling-v2-1","n":"3","image":' + URL + b',"element_list":'
        b'[{"element_id":@ELEMENT@}]',
    ),
    Example(
        "omni-image",
        PROMPT + b',"model_name":"kling-v3-omni","resolution":"4k","result_type":"series",'
        b'"series_amount":2.0,"element_list":[{"element_id":@ELEMENT@}]',
    ),
    Example(
        "multi-image2image",
        PROMPT + b',"n":2,"subject_image_list":[{"subject_image":' + URL + b"}]",
    ),
    Example("expand", b'"image":' + URL + b',"right_expansion_ratio":0,' + _SIDES),
    Example("kolors-virtual-try-on", b'"human_image":' + URL),
    Example("text-to-audio", PROMPT + b',"duration":5.0'),
    Example("video-to-audio", b'"video_id":"@VIDEO@","asmr_mode":false'),
    Example("ai-multi-shot", b'"element_frontal_image":' + URL),
    Example("text-to-video", PROMPT, model="kling-3.0-turbo"),
    Example(
        "image-to-video",
        b'"contents":[' + _TEXT + b"," + _FIRST_FRAME + b',{"type":"voice","id":"v","voice_id":'
        b'"@VOICE@"}],"settings":{"audio":"native","resolution":"1080p","duration":10}',
        model="kling-2.6",
    ),
    Example(
        "2.0-omni-video",
        b'"contents":[' + _TEXT + b',{"type":"base_video","url":' + CLIP + b'},{"type":"element",'
        b'"id":"e","element_id":"@ELEMENT@"}],"settings":{"resolution":"1080p","duration":5.0}',
        model="kling-3.0-omni",
    ),
    Example(
        "2.0-motion-control",
        b'"contents":[{"type":"image","url":'
        + URL
        + b'},{"type":"video","url":'
        + CLIP
        + b'},{"type":"element","id":"e","element_id":"@ELEMENT@"}],'
        b'"settings":{"character_orientation":"image"}',
        model="kling-3.0",
    ),
    Example("solutions-virtual_try_on"),
    Example("solutions-goods_studio"),
    Example("solutions-clothing_dupe"),
    Example("solutions-talking_agent", PROMPT),
    Example("solutions-drama_subtitle"),
    Example("delete-elements", b'"element_id":"@OLD@"', phase=5),
    Example("delete-advanced-elements", b'"element_id":@ELEMENT@', phase=5),
    Example("delete-voices", b'"voice_id":"@VOICE@"', phase=5),
)
BY_EXAMPLE = {example.name: example for example in EXAMPLES}
MAKERS = tuple(example for example in EXAMPLES if example.makes)
PHASES = sorted({example.phase for example in EXAMPLES})

UNPRICED = {
    "effects": "video",
    "solutions-virtual_try_on": "image",
    "solutions-goods_studio": "image",
    "solutions-clothing_dupe": "image",
    "solutions-talking_agent": "video",
    "solutions-drama_subtitle": "video",
}
"""No list of the vendor's is known (docs/kling-api.md 10); and the pack that pays."""
