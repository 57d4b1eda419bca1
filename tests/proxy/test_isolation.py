"""T4: no tenant sees another's task."""

import asyncio

import pytest

from tests.relay_app import CLIP, TEXT2VIDEO, Relay, bearer

PATHS = (TEXT2VIDEO, "/v1/videos", "/videos")


async def test_no_key_that_there_is_finds_another_tenants_task(shared: Relay, tenant: str) -> None:
    """Kling's id, the external id, our number, the injected id and a request id: not found.

    With the same answer as for a task that nobody has.
    """
    owner = await shared.add_tenant(tenant)
    thief = await shared.add_tenant(f"{tenant}-thief")
    response = await shared.submit(owner, CLIP | {"external_task_id": f"x-{tenant}"})
    task_id = response.json()["data"]["task_id"]
    row = await shared.task(task_id)
    keys = (
        *(task_id, f"x-{tenant}", str(row["id"]), row["injected_id"]),
        *(row["request_id"], row["kling_request_id"]),
    )

    for key in keys:
        for path in PATHS:
            stolen = await shared.get(thief, key, path=path)
            unknown = await shared.get(thief, "867283741759119999", path=path)

            assert stolen.status_code == unknown.status_code == 400
            assert stolen.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert (await shared.get(owner, task_id)).status_code == 200
    assert (await shared.get(owner, f"x-{tenant}")).status_code == 200
    # Only the two ids that the tenant knows are keys, for the owner too.
    assert (await shared.get(owner, str(row["id"]))).status_code == 400
    assert (await shared.get(owner, row["injected_id"])).status_code == 400


async def test_lists_hold_the_tenants_own_tasks_only(shared: Relay, tenant: str) -> None:
    """Two tenants on one Kling account; neither sees a row of the other's."""
    first, second = await asyncio.gather(
        shared.add_tenant(tenant), shared.add_tenant(f"{tenant}-2")
    )
    ids = {}
    for token in (first, second):
        response = await shared.submit(token)
        ids[token.tenant] = response.json()["data"]["task_id"]

    for token in (first, second):
        listed = await shared.client.get(TEXT2VIDEO, headers=bearer(token))

        assert [one["task_id"] for one in listed.json()["data"]] == [ids[token.tenant]]


async def test_two_tenants_may_use_one_external_id(shared: Relay, tenant: str) -> None:
    """Kling wants it unique per account; ours differ, so both are taken and each finds its own."""
    found = {}
    tokens = [await shared.add_tenant(f"{tenant}-{number}") for number in (1, 2)]
    for token in tokens:
        response = await shared.submit(token, CLIP | {"external_task_id": "order-1"})
        assert response.status_code == 200, response.text
        found[token.tenant] = response.json()["data"]["task_id"]

    for token in tokens:
        data = (await shared.get(token, "order-1")).json()["data"]

        assert data["task_id"] == found[token.tenant]
        assert data["task_info"] == {"external_task_id": "order-1"}


async def test_an_external_id_that_is_another_tenants_task_id_finds_ones_own(
    shared: Relay, tenant: str
) -> None:
    """A thief who names its task as the owner's shows itself its own task, nothing else."""
    owner = await shared.add_tenant(tenant)
    thief = await shared.add_tenant(f"{tenant}-thief")
    target = (await shared.submit(owner)).json()["data"]["task_id"]
    own = await shared.submit(thief, CLIP | {"external_task_id": target})

    seen = (await shared.get(thief, target)).json()["data"]["task_id"]

    assert seen == own.json()["data"]["task_id"] != target


@pytest.mark.parametrize("guess", ["", "%25", "_", "%2A", "%27%20OR%201=1--", "%00", "%2e%2e"])
async def test_patterns_find_nothing(shared: Relay, tenant: str, guess: str) -> None:
    """Ids are compared, not matched."""
    owner = await shared.add_tenant(tenant)
    thief = await shared.add_tenant(f"{tenant}-thief")
    await shared.submit(owner)

    response = await shared.client.get(f"{TEXT2VIDEO}/{guess}", headers=bearer(thief))

    if guess:
        assert (response.status_code, response.json()["code"]) == (400, 1201)
    else:
        assert response.json()["data"] == []
