"""`POST /api/v1/{family}/{name}`: each is one create of Kling's, checked before it is sent."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Raw

from relay.kling.body import read_fields
from relay.kling.endpoint import Endpoint
from relay.kling.endpoints import BY_NAME
from relay.kling.lint.judge import check
from relay.kling.media import without_prefixes
from relay.kling.models import successor_at
from relay.kling.wire import Fields, fields_of, items_of, text_of
from relay.proxy.body import ReadBody
from relay.studio.behind import Visit
from relay.studio.capabilities.videos import naming_pictures
from relay.studio.models import check_model, default_at
from relay.studio.v1 import bodies
from relay.studio.v1.answers import PREFIX, Answer, spell

MODEL = "model_name"
OWN_HEADERS = (b"idempotency-key", b"relay-queue")
"""Those of a create that Kling's own paths read."""
_several = successor_at("multi-image2video")
_WITHOUT_EFFECT = ("negative_prompt",)


class Create(msgspec.Struct, frozen=True):
    """One create."""

    path: str
    """Below `/api/v1/`."""
    endpoint: str
    """Kling's, by whose rules it is checked."""
    body: type[bodies.Body]
    become: Callable[[Fields], Fields] | None = None
    """Makes the body of another endpoint's of it, which is sent instead: `sent_to`."""
    sent_to: str | None = None
    without_effect: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def target(self) -> Endpoint:
        """Find where it is sent."""
        return BY_NAME[self.sent_to or self.endpoint]


def _of_several(fields: Fields) -> Fields:
    """Ask the omni model for a clip of several pictures, as what had them before took them."""
    images = [
        {name.replace("image", "image_url"): raw for name, raw in fields_of(item).items()}
        for item in items_of(fields.get("image_list", Raw(b"[]")))
    ]
    usual = {"mode": "std", "duration": "5", "aspect_ratio": "16:9"}  # of 4.3, and not of 4.4
    became = {name: raw for name, raw in fields.items() if name not in _WITHOUT_EFFECT}
    became |= {name: _json(value) for name, value in usual.items() if not _is_given(fields, name)}
    named = naming_pictures(text_of(fields.get("prompt")), len(images))
    return became | {"prompt": _json(named), "image_list": _json(images)}


CREATES = (
    Create("videos/create_text2video", "text2video", bodies.Text2Video),
    Create("videos/create_image2video", "image2video", bodies.Image2Video),
    Create(
        "videos/create_multi_image",
        "multi-image2video",
        bodies.MultiImage,
        become=_of_several,
        sent_to=_several.endpoint,
        without_effect=_WITHOUT_EFFECT,
    ),
    Create("videos/create_motion_ctrl", "motion-control", bodies.MotionControl),
    Create("videos/extend_video", "video-extend", bodies.ExtendVideo),
    Create("lipsync/identify_face", "identify-face", bodies.IdentifyFace),
    Create("lipsync/create_sync_task", "advanced-lip-sync", bodies.SyncTask),
    Create("images/generate_image", "generations", bodies.GenerateImage),
    Create("images/generate_omni", "omni-image", bodies.GenerateOmni),
)


def v1_creates() -> list[HTTPRouteHandler]:
    """Make the handlers of all of them."""
    return [_handler(create) for create in CREATES]


def _handler(create: Create) -> HTTPRouteHandler:
    async def handle(data: Any, request: Request[Any, Any, Any]) -> Response[Answer]:
        _ = data  # of the right kinds; what is sent are its own bytes
        read: ReadBody = request.scope["body"]  # type: ignore[typeddict-item]
        fields = read_fields(read.content)
        notes = [
            f"{name} has no effect: Kling has nothing of the kind"
            for name in create.without_effect
            if _is_given(fields, name)
        ]
        prepared = _prepared(create, fields)
        # What nothing was changed in goes as it came, and is not a second time in memory.
        content = read.content if prepared is fields else msgspec.json.encode(prepared)
        return await _send(create, ReadBody(content, read.share), notes, request)

    body: Any = create.body
    handle.__annotations__["data"] = JSONBody[body]  # type: ignore[misc]
    handle.__name__ = create.name
    return post(
        f"{PREFIX}/{create.path}",
        operation_id=f"v1_{create.name}",
        summary=bodies.summary_of(body),
        status_code=200,
        tags=["v1"],
    )(handle)


def _prepared(create: Create, fields: Fields) -> Fields:
    """Make what is sent to Kling of what was given.

    Raises:
        InvalidParameter: Kling would refuse it.
    """
    target = create.target
    named = text_of(fields.get(MODEL))
    if named:
        check_model(create.endpoint, named, field=MODEL)  # it may have ended there
        check_model(target.name, named, field=MODEL)
    usual = default_at(target.name) if create.become is None else _several.model
    if not named and usual is not None:
        fields = {**fields, MODEL: _json(usual)}
    fields = without_prefixes(create.endpoint, fields)
    check(BY_NAME[create.endpoint], fields)
    if create.become is None:
        return fields
    fields = create.become(fields)
    check(target, fields)
    return fields


async def _send(
    create: Create, body: ReadBody, notes: list[str], request: Request[Any, Any, Any]
) -> Response[Answer]:
    visit: Visit = request.scope["user"]
    line: Any = request.scope["line"]  # type: ignore[typeddict-item]
    sent = await visit.behind.kling.answer_within(
        visit.caller,
        line,
        create.target.path,
        body=body,
        headers=[pair for pair in request.scope["headers"] if pair[0] in OWN_HEADERS],
        extensions=request.scope.get("extensions"),
    )
    return spell(sent, visit.request_id, notes)


def _is_given(fields: Fields, name: str) -> bool:
    return bytes(fields.get(name, Raw(b"null"))) not in (b"null", b'""', b"[]")


def _json(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))
