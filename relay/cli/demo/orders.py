"""What the two tenants order: bodies as clients of Kling send them (docs/kling-api.md 4)."""

from typing import Any

import msgspec

PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAASwAAAEsAQAAAABRBrPYAAAAPUlEQVR42u3KMQEAAAwCIPunNYIVth9u0pNomqZpmq"
    "ZpmqZpmqZpmqZpmqZpmqZpmqZpmqZpmqZpmqZp/zYqGsHopf47mAAAAABJRU5ErkJggg=="
)
"""Stripes of 300 by 300, the least that Kling takes (section 12): base64 without `data:`."""


class Order(msgspec.Struct, frozen=True):
    """One create request, and how it must end."""

    tenant: str
    endpoint: str
    about: str
    body: dict[str, Any]
    ends: str = "succeed"
    end_callbacks: int = 1
    """How often Kling tells of the end."""

    @property
    def path(self) -> str:
        return f"/kling/v1/videos/{self.endpoint}"

    @property
    def external_task_id(self) -> str | None:
        return self.body.get("external_task_id")


ORDERS = (
    Order(
        tenant="acme",
        endpoint="text2video",
        about="callback twice",
        end_callbacks=2,
        body={
            "model_name": "kling-v3",
            "prompt": "A red fox crosses a snowy clearing at dawn, slow dolly in [double callback]",
            "negative_prompt": "blur, text, watermark",
            "mode": "std",
            "aspect_ratio": "16:9",
            "duration": "5",
            "external_task_id": "fox-1",
        },
    ),
    Order(
        tenant="acme",
        endpoint="image2video",
        about="from an image",
        body={
            "model_name": "kling-v2-6",
            "image": PICTURE,
            "prompt": "The colours begin to flow like paint in water",
            "mode": "pro",
            "sound": "on",
            "duration": "5",
        },
    ),
    Order(
        tenant="acme",
        endpoint="text2video",
        about="will fail",
        ends="failed",
        body={
            "model_name": "kling-v2-5-turbo",
            "prompt": "A paper boat on a storm drain [fail]",
            "mode": "pro",
            "aspect_ratio": "9:16",
            "duration": "10",
            "external_task_id": "boat-1",
        },
    ),
    Order(
        tenant="globex",
        endpoint="multi-image2video",
        about="from 2 images",
        body={
            "model_name": "kling-v1-6",
            "image_list": [{"image": PICTURE}, {"image": PICTURE}],
            "prompt": "The two pictures meet on a gallery wall",
            "mode": "std",
            "duration": "5",
            "aspect_ratio": "1:1",
        },
    ),
    Order(
        tenant="globex",
        endpoint="omni-video",
        about="edits a video",
        body={
            "model_name": "kling-v3-omni",
            "prompt": "Turn the day in <<<video_1>>> into night, with rain on the street",
            "video_list": [
                {
                    "video_url": "https://example.com/street.mp4",
                    "refer_type": "base",
                    "keep_original_sound": "yes",
                }
            ],
            "mode": "pro",
            "external_task_id": "night-1",
        },
    ),
)
"""Of the five tasks one fails, and the end of one is told twice."""

BEYOND_QUOTA = Order(
    tenant="globex",
    endpoint="text2video",
    about="beyond the quota",
    ends="refused",
    body={
        "model_name": "kling-v3",
        "prompt": "A whole city wakes up, seen from a balloon",
        "mode": "4k",
        "aspect_ratio": "16:9",
        "duration": "10",
    },
)
"""30 units, 4.20 USD: within globex's quota, but not within what its holds leave of it."""
