"""A batch beside others, with a worker that serves them all."""

from tests.relay_app import Relay, bearer
from tests.studio.asking import ended, make

ITEMS = 200


async def test_another_tenants_create_is_made_while_a_batch_waits(studio: Relay) -> None:
    """It came after two hundred, and is done before them; what waits of those is taken back."""
    many = await studio.add_tenant("many", quota_micros=10**9)
    other = await studio.add_tenant("other-one")
    items = [{"task_type": "text_to_video", "prompt": f"fox {number}"} for number in range(ITEMS)]
    batch = (await make(studio, many, "batch", {"items": items})).json()

    answer = await make(studio, other, "text-to-video", {"prompt": "a hen"})
    made = await ended(studio, other, answer.json()["task_id"])
    path = f"/api/kling/batch/{batch['batch_id']}"
    seen = (await studio.client.get(path, headers=bearer(many))).json()
    await studio.client.post(f"{path}/cancel", headers=bearer(many))

    assert made["status"] == "completed"
    assert (seen["tasks"], seen["is_over"]) == (ITEMS, False)
    assert seen["pending"] > 0
