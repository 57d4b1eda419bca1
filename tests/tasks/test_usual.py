"""How long tasks take, as pages are told: by equal ones, and kept for a minute."""

from relay.desk.tasks import settle
from relay.tasks.usual import FEWEST, Alike, Usuals, read_usuals
from tests.relay_app import Relay, running_relay
from tests.tasks.holding import hold_tasks

SHORT = Alike(is_test=False, endpoint="text2video", model="kling-v3", mode="std", seconds=5)
LONG = SHORT._replace(seconds=10)
OTHERS = SHORT._replace(mode="pro"), SHORT._replace(is_test=True), SHORT._replace(model=None)
TOOK = "UPDATE tasks SET submitted_at = ended_at - $2 * interval '1 s' WHERE id = $1"


async def made(relay: Relay) -> list[int]:
    """As many short ones that took a minute as are enough, and one long one that took three."""
    tasks = await hold_tasks(relay, await relay.add_tenant(), FEWEST + 1)
    for task in tasks:
        await relay.act(settle, task.id)
    await relay.rows("UPDATE tasks SET ended_via = 'look'")
    for task in tasks[:-1]:
        await relay.rows(TOOK, task.id, 60.0)
    await relay.rows(TOOK, tasks[-1].id, 180.0)
    await relay.rows(
        "UPDATE tasks SET quote = jsonb_set(quote, '{seconds}', '10') WHERE id = $1", tasks[-1].id
    )
    return [task.id for task in tasks]


async def test_equal_ones_tell_and_where_they_are_few_all_of_the_model(database_url: str) -> None:
    """Five of 5 s are enough to speak for themselves; one of 10 s is told of with all six."""
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        ids = await made(relay)
        async with relay.sessions() as session:
            known = await read_usuals(session, [SHORT, LONG, *OTHERS])
        kept = Usuals(relay.sessions)
        before = await kept.of([SHORT])
        await relay.rows("UPDATE tasks SET ended_via = 'operator' WHERE id = $1", ids[0])
        after = await kept.of([SHORT, LONG])

    assert {
        kind: usual and (usual.tasks, usual.median_s, usual.p95_s) for kind, usual in known.items()
    } == {
        SHORT: (FEWEST, 60, 60),
        LONG: (FEWEST + 1, 60, 150),
        OTHERS[0]: (FEWEST + 1, 60, 150),
        OTHERS[1]: None,
        OTHERS[2]: None,
    }
    assert before[SHORT] == after[SHORT], "for a minute"
    assert [one.tasks for one in after.values() if one] == [FEWEST, FEWEST]
