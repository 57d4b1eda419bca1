"""What the relay refuses by itself it refuses in Kling's words, as the sandbox has them."""

from typing import Any

import httpx

from tests.owners.two_accounts import ONE, TTS, Shop, kling_error
from tests.relay_app import SANDBOX_URL, bearer

CLIP = {"model_name": "kling-v1", "prompt": "a fox", "external_task_id": "twice"}
TEXT2VIDEO = "/v1/videos/text2video"
DELETE_ELEMENTS, DELETE_VOICES = "/v1/general/delete-elements", "/v1/general/delete-voices"


async def test_relay_and_sandbox_refuse_in_the_same_words(shop: Shop) -> None:
    """Unknown task, external id twice, deleted twice, a voice that is gone; a path that is none.

    The words are section 17's; of 1202 they stand in front, and what was asked behind them.
    """
    token = await shop.tenant()
    element, voice = await shop.element(token), await shop.voice(token)
    questions: list[tuple[str, str, Any]] = [
        ("GET", f"{TEXT2VIDEO}/none", None),
        ("POST", TEXT2VIDEO, CLIP),
        ("POST", DELETE_ELEMENTS, {"element_id": element}),
        ("POST", DELETE_VOICES, {"voice_id": voice}),
        ("POST", "/v1/audio/tts", TTS | {"voice_id": voice}),
        ("POST", "/v1/videos/extend", {}),
    ]
    asgi = httpx.ASGITransport(app=shop.kling.sandbox)
    async with httpx.AsyncClient(transport=asgi, base_url=SANDBOX_URL) as sandbox:
        for method, path, body in questions[1:4]:
            await shop.post(token, path, body, on="one")
            await sandbox.request(method, path, json=body, headers=own_key())
        relays = [
            await shop.relay.client.request(method, path, json=body, headers=bearer(token))
            for method, path, body in questions
        ]
        klings = [
            await sandbox.request(method, path, json=body, headers=own_key())
            for method, path, body in questions
        ]

    assert [kling_error(one) for one in relays] == [kling_error(one) for one in klings]
    words = [[one.json()["message"] for one in answers] for answers in (relays, klings)]
    assert words[0][:-1] == words[1][:-1]
    assert words[0][-1].startswith(words[1][-1])


def own_key() -> dict[str, str]:
    return {"authorization": f"Bearer {ONE.api_key}"}
