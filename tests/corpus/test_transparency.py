"""Every endpoint through relay and sandbox, compared field by field with T1 and T2."""

import json

import pytest

from relay.kling.endpoint import EndpointKind
from relay.kling.endpoints import ENDPOINTS
from relay.proxy.outcomes import NOTHING
from relay.tasks.view import Shown, _show_data_fields, _show_fields, show_data, show_task
from tests.corpus.bytes_of import differences, leaves, under
from tests.corpus.examples import BY_EXAMPLE
from tests.corpus.play import Recording
from tests.corpus.seen import wrong_deliveries, wrong_queries, wrong_reply, wrong_requests
from tests.relay_app import bearer

TASKS = [name for name, one in BY_EXAMPLE.items() if one.endpoint.kind is EndpointKind.TASK]


def test_every_endpoint_has_an_example() -> None:
    """A new row of the catalogue needs one here."""
    posts = {endpoint.name for endpoint in ENDPOINTS if endpoint.kind is not EndpointKind.READ}

    assert {example.endpoint_name for example in BY_EXAMPLE.values()} == posts


@pytest.mark.parametrize("name", BY_EXAMPLE)
async def test_a_request_arrives_in_its_own_bytes(recording: Recording, name: str) -> None:
    """At the sandbox: the tenant's fields and value bytes, and of ours two (T1)."""
    assert wrong_requests(recording.examples[name]) == []


@pytest.mark.parametrize("name", BY_EXAMPLE)
async def test_a_reply_comes_back_in_kling_s_bytes(recording: Recording, name: str) -> None:
    """Status, shell, unknown fields and spellings; ids, costs and owner are the tenant's (T2)."""
    assert wrong_reply(recording.examples[name]) == []


@pytest.mark.parametrize("name", BY_EXAMPLE)
async def test_a_reply_reads_the_same_whole_or_taken_apart(recording: Recording, name: str) -> None:
    """Kling's replies and callbacks, as they came and without the escapes of our odd fields."""
    one = recording.examples[name]
    told = Shown(tenant_id=11, tenant_external_id="mine", quote=NOTHING, charged_micros=0)
    replies = [
        answered.kling.reply.body
        for answered in (one.created, *one.queries.values())
        if answered.kling
    ]

    for reply in replies + [without_odd(reply) for reply in replies]:
        assert show_data(reply, told) == _show_data_fields(reply, told)
    for task in one.callbacks + [without_odd(task) for task in one.callbacks]:
        assert show_task(task, told) == _show_fields(task, told)


def without_odd(body: bytes) -> bytes:
    read = json.loads(body, parse_float=str)
    for task in (read, read.get("data")):
        if isinstance(task, dict):
            task.pop("odd", None)
    return json.dumps(read, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", TASKS)
async def test_queries_and_lists_show_kling_s_object(recording: Recording, name: str) -> None:
    """By Kling's id, by the tenant's own where that is documented, and in the list."""
    one = recording.examples[name]

    assert set(one.queries) == {"id", "external id", "list"}
    assert list(wrong_queries(one)) == []


@pytest.mark.parametrize("name", TASKS)
async def test_a_callback_is_to_be_told_as_kling_told_it(recording: Recording, name: str) -> None:
    """The delivery's body is Kling's, flat and of the generation, with ids and costs restored."""
    one = recording.examples[name]

    assert one.callbacks
    assert list(wrong_deliveries(one)) == []


@pytest.mark.parametrize("name", [one.name for one in ENDPOINTS if one.kind is EndpointKind.READ])
async def test_what_all_share_passes_as_it_is(recording: Recording, name: str) -> None:
    """The presets: Kling's reply to the byte, and the tenant's query to Kling."""
    read = recording.reads[name]

    assert read.kling is not None
    assert read.response.content == read.kling.reply.body
    assert read.kling.path.endswith("?pageNum=1&pageSize=30")


async def test_what_a_call_made_is_listed_as_kling_told_it(recording: Recording) -> None:
    """Old elements are made at once: the list shows the creates' data, and no other tenant's."""
    world = recording.world
    path = "/v1/general/custom-elements"
    created = world.tap.last(mark='"tag":"theirs custom-elements"')
    assert created is not None

    listed = await world.relay.client.get(path, headers=bearer(world.other))

    told = under(leaves(created.reply.body), ".data")
    shown = under(leaves(listed.content), ".data.0")
    owner = b'"%d"' % await world.tenant_id(world.other)
    assert told[".owned_by"] != owner
    assert shown == {**told, ".owned_by": owner}
    assert len(listed.json()["data"]) == 1


@pytest.mark.parametrize("path", ["/tasks", "/solutions"])
async def test_a_query_of_2_0_wants_one_kind_of_ids(recording: Recording, path: str) -> None:
    """Neither or both: 400/1201 in Kling's words; ids that nobody has: an empty list."""
    world = recording.world
    own_id = recording.examples["text-to-video"].kling_id

    for query in ("", "?task_ids=1&external_task_ids=2"):
        refused = await world.relay.client.get(path + query, headers=bearer(world.acme))

        assert (refused.status_code, refused.json()["code"]) == (400, 1201)
        assert refused.json()["message"] == "task_ids or external_task_ids is required"
    for token, ids in ((world.acme, "1,2"), (world.other, own_id)):
        none = await world.relay.client.get(f"{path}?task_ids={ids}", headers=bearer(token))

        assert (none.status_code, none.json()["data"]) == (200, [])


def test_the_reader_of_bytes_keeps_them() -> None:
    """The comparisons above see spellings that a parser would hide."""
    found = leaves(rb'{"a": {"b":[1.0, {"c":"\u00e9\"}"}],"d":{}} , "e":1e400}')

    assert found == {
        ".a.b.0": b"1.0",
        ".a.b.1.c": rb'"\u00e9\"}"',
        ".a.d": b"{}",
        ".e": b"1e400",
    }
    assert differences({".a": b"1.0"}, {".a": b"1"}) == [".a: b'1.0' became b'1'"]
