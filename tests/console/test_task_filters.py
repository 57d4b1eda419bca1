"""The list of tasks by anything that its filter has, and a price told in words."""

import ast
import re

from relay.cli.task_list import list_command
from relay.database.ids import TaskId
from relay.desk.tasks import refund, release, settle
from relay.desk.tokens import issue_token
from relay.html.words import FOLDER
from relay.operators.tables import Role
from relay.tasks.inspect import TaskFilter
from tests.admin.office import Asking, asking, office
from tests.console.visiting import Visit, visiting
from tests.relay_app import ACTOR, CLIP, Relay, fixture_relay

TIMES = "\u00d7"
PRO = CLIP | {"mode": "pro"}


async def made(relay: Relay) -> list[int]:
    """A charge that was refunded in part, one of another mode, a failure, and one that runs."""
    await relay.add_channel()
    token = await relay.add_tenant()
    for body in (CLIP, PRO, CLIP, CLIP):
        assert (await relay.submit(token, body)).status_code == 200
    ids = [row["id"] for row in await relay.rows("SELECT id FROM tasks ORDER BY id")]
    assert await relay.act(settle, TaskId(ids[0]))
    assert await relay.act(refund, TaskId(ids[0]))
    assert await relay.act(settle, TaskId(ids[1]))
    assert await relay.act(release, TaskId(ids[2]))
    said = "Failure to pass the risk control 100%_system"
    await relay.rows("UPDATE tasks SET fail_message = $2 WHERE id = $1", ids[2], said)
    return ids


class Lists:
    """The same list as a page and by HTTP."""

    def __init__(self, ann: Visit, program: Asking) -> None:
        self._ann = ann
        self._program = program

    async def found(self, *, by_http: dict[str, object] | None = None, **asked: str) -> list[int]:
        """Find what both find; `by_http`: where that is asked in other words."""
        page = await self._ann.read("/tasks", **asked)
        on_page = sorted(map(int, re.findall(r'href="/console/tasks/(\d+)"', page)))
        query = {name: "true" if value == "on" else value for name, value in asked.items()}
        answer = await self._program("GET", "tasks", **(by_http or query))
        assert answer.status_code == 200, answer.text
        assert sorted(row["id"] for row in answer.json()["tasks"]) == on_page
        return on_page


async def test_tasks_are_found_by_anything_and_tell_their_price(database_url: str) -> None:
    """Each field of the filter finds its own; a price is told in words that add up."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        ids = await made(relay)
        async with office(relay) as client:
            program = await asking(relay, client, "program", Role.VIEWER)
            await _found_by_each_field(relay, ann, program, ids)
        await _told_in_words(relay, ann, ids[0])

        # A refund is for no reason of a flag's.
        here = f"/tasks/{ids[1]}/refund"
        form = await ann.read(here)
        assert ('value="quality"' in form, 'value="read"' in form) == (True, False)
        answer = await ann.post(here, amount="0.1", reason="read")
        assert answer.status_code == 422
        assert len(await relay.rows("SELECT 1 FROM entries WHERE kind = 'refund'")) == 1


async def _found_by_each_field(relay: Relay, ann: Visit, program: Asking, ids: list[int]) -> None:
    first, second, third, fourth = ids
    found = Lists(ann, program).found
    assert await found(state="open", by_http={"open": "true"}) == [fourth]
    assert await found(state="failed") == [third]
    assert await found(mode="pro") == [second]
    assert await found(failure="RISK control 100%_") == [third]
    assert await found(failure="risk%system") == []
    least: dict[str, object] = {"charged_least_micros": 420_001}
    assert await found(charged="0.420001", by_http=least) == [second]
    assert await found(refunded="on") == [first]
    assert await found(by_hand="on") == [first, second, third]
    for name, day in (("since", "0001-01-01"), ("until", "9999-12-30")):
        moment: dict[str, object] = {name: f"{day}T23:59:59Z"}
        assert await found(by_http=moment, **{name: day}) == ids, "an end of the calendar"
    wrong = await program("GET", "tasks", charged_least_micros=-1)
    assert (wrong.status_code, wrong.json()["field"]) == (400, "charged_least_micros")
    assert "An amount such as" in await ann.read("/tasks", charged="-1")
    assert "state=open&channel=main" in await ann.read("/channels")

    async with relay.sessions.begin() as session:
        await issue_token(session, ACTOR, "acme", relay.keys, is_test=True)
    await relay.rows("UPDATE tasks SET token_id = 2 WHERE id = $1", second)
    assert await found(real="on", model="kling-v3") == [first, third, fourth]


async def _told_in_words(relay: Relay, ann: Visit, task_id: int) -> None:
    """A cap is said where it was reached, and a sum that does not add up is not made up."""
    capped = "what Kling took comes to more"
    page = words_of(await ann.read(f"/tasks/{task_id}"))
    assert "text2video kling-v3 std without sound" in page
    assert f"0.6 units {TIMES} 5 s {TIMES} 0.14 USD = 0.42 USD" in page
    assert capped not in page
    await relay.rows(
        "UPDATE tasks SET cost_units = 9, cost_pack = 'video', deduction = '{}',"
        " quote = jsonb_set(quote, '{seconds}', '7') WHERE id = $1",
        task_id,
    )
    page = words_of(await ann.read(f"/tasks/{task_id}"))
    assert ("9 units" in page, capped in page) == (True, True)
    assert f"{TIMES} 7 s" not in page


def words_of(page: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", page).split())


def test_each_field_of_the_filter_can_be_asked_for_everywhere() -> None:
    """Of a page, by HTTP and at a terminal: none has a filter that another one lacks."""
    paging = {"before_id", "after_id", "from_id"}
    fields = set(TaskFilter.__struct_fields__) - paging
    named = {"tenant_id": "tenant", "channel_id": "channel"}
    for file in ("admin/tasks.py", "console/tasks.py"):
        source = (FOLDER.parents[1] / file).read_text("utf-8")
        (call,) = [
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "TaskFilter"
        ]
        assert {one.arg for one in call.keywords} == fields, file
    options = {one.name for one in list_command.params}
    # A state is asked for by the word that the table has.
    assert {named.get(field, field) for field in fields} <= options


def test_each_step_of_a_story_has_words() -> None:
    """Whatever statements note of a task, and what flags it, is told in words."""
    noted = re.compile(r"SELECT (?:n\.)?id, '([a-z]+\.[a-z_]+)'|VALUES \(:id, '([a-z]+\.[a-z_]+)'")
    flagged = re.compile(r"\.flag\(\s*[\w.]+,\s*\"([a-z]+\.[a-z_]+)\"")
    sources = [file.read_text("utf-8") for file in FOLDER.parents[1].glob("tasks/**/*.py")]
    kinds = {
        "".join(found)
        for source in sources
        for pattern in (noted, flagged)
        for found in pattern.findall(source)
    }
    bits = (FOLDER.parent / "templates/parts/bits.html").read_text("utf-8")

    assert len(kinds) >= 10
    assert {kind for kind in kinds if f'"{kind}": _(' not in bits} == set()
