"""Each template, whose worker dies at every point of every step: made once, charged once."""

import contextlib
import copy
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.desk.money import adjust_quota
from relay.runs.runner import Runner
from relay.runs.templates.given import check_given
from relay.runs.templates.planned import plan_of
from tests.relay_app import ACTOR, Relay, bearer
from tests.runs.working import begin, claim, claim_soon, tasks_of, work
from tests.studio.asking import make, seen
from tests.studio.flows import FLOWS

QUOTA_MICROS = 100_000_000


class Died(BaseException):
    """The process ends here; nothing behind it is done."""


class Death:
    """Waits at the n-th point that is crossed from now on."""

    def __init__(self) -> None:
        self.points_left = 0

    def cross(self) -> None:
        if self.points_left == 0:
            raise Died
        self.points_left -= 1


class Mortal:
    """Whose calls are points: before each, and behind each when all of it is done."""

    def __init__(self, inner: Any, death: Death) -> None:
        self._inner, self._death = inner, death

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        async def crossed(*args: Any, **named: Any) -> Any:
            self._death.cross()
            made = await call(*args, **named)
            self._death.cross()
            return made

        return crossed


class MortalSessions:
    """The same of sessions: before one is opened, and behind its commit."""

    def __init__(self, inner: Any, death: Death) -> None:
        self._inner, self._death = inner, death

    def __call__(self) -> Any:
        return self._crossed(self._inner)

    def begin(self) -> Any:
        return self._crossed(self._inner.begin)

    @contextlib.asynccontextmanager
    async def _crossed(self, opening: Any) -> AsyncIterator[Any]:
        self._death.cross()
        async with opening() as session:
            yield session
        self._death.cross()


def mortal(runner: Runner, death: Death) -> Runner:
    """Take a runner apart at each of its statements, and around each submit."""
    own: Any = copy.copy(runner)
    own._sessions = MortalSessions(own._sessions, death)  # noqa: SLF001 (the seams of a process)
    own._pool = Mortal(own._pool, death)  # noqa: SLF001
    own._submitter = Mortal(own._submitter, death)  # noqa: SLF001
    made: Runner = own
    return made


@pytest.mark.parametrize("path", [path for path in FLOWS if path != "variants"])
async def test_a_worker_that_dies_at_every_point_makes_each_step_once(
    relay: Relay, path: str
) -> None:
    """It dies at the first point of a step, the next one at the second, until one comes through."""
    body, names = FLOWS[path]
    tenant = "dies-" + path.replace("/", "-")
    assert relay.faces.studio is not None
    template = relay.faces.studio.behind.templates.by_name[path.partition("/")[2]]
    plan = plan_of(template, check_given(template, body))
    token = await relay.add_tenant(tenant, quota_micros=QUOTA_MICROS)
    run_id = (await begin(relay, token, plan)).id
    death = Death()
    runner = mortal(relay.parts.runs.runner, death)

    deaths: Counter[int] = Counter()
    points: Counter[tuple[int, str]] = Counter()
    query = "SELECT state FROM runs WHERE id = $1"
    while (state := (await relay.row(query, run_id))["state"]) in ("pending", "processing"):
        for looked in await relay.parts.tasks.looker.claim_due(100):
            await relay.parts.tasks.looker.look(looked)
        await relay.rows("UPDATE tasks SET next_look_at = now() WHERE hold_ended_at IS NULL")
        for due in await claim_soon(relay):
            step = await relay.row("SELECT state FROM run_steps WHERE id = $1", due.id)
            death.points_left = points[due.id, step["state"]]
            try:
                await runner.advance(due)
            except Died:
                deaths[due.id] += 1
                points[due.id, step["state"]] += 1

    assert state == "completed"
    assert len(deaths) == len(names)
    assert min(deaths.values()) >= 5, deaths
    made = await tasks_of(relay, tenant)
    assert len(made) == len(names)
    assert len({task["create_key"] for task in made}) == len(names)
    entries = await relay.rows(
        "SELECT task_id, count(*) FROM entries WHERE task_id = ANY ($1) GROUP BY task_id",
        [task["id"] for task in made],
    )
    assert {row["count"] for row in entries} == {1}
    charged = sum(task["charged_micros"] for task in made)
    assert await relay.account(tenant) == (QUOTA_MICROS - charged, 0)
    assert not (await relay.audit()).differences


async def test_a_step_that_failed_goes_on_by_hand_and_nothing_is_paid_twice(relay: Relay) -> None:
    """Two of three steps are made when the quota is gone; with more, the third follows."""
    token = await relay.add_tenant("by-hand", quota_micros=QUOTA_MICROS)
    body, _ = FLOWS["koubo/product-showcase"]
    task_id = (await make(relay, token, "koubo/product-showcase", body)).json()["task_id"]
    run_id = (await relay.row("SELECT id FROM runs ORDER BY id DESC LIMIT 1"))["id"]
    steps = "SELECT count(*) FROM run_steps WHERE run_id = $1 AND state = 'done'"
    while (await relay.row(steps, run_id))["count"] < 2:
        await _move(relay, run_id)
    quota_micros, _ = await relay.account("by-hand")
    await _add(relay, -quota_micros)

    assert await work(relay, run_id) == "failed"
    failed = await seen(relay, token, task_id)
    before = await tasks_of(relay, "by-hand")
    await _add(relay, quota_micros)
    again = await relay.client.post(f"/api/kling/ai-task/{task_id}/retry", headers=bearer(token))
    assert again.status_code == 200, again.text
    assert await work(relay, run_id) == "completed"

    assert (failed["status"], failed["error_code"], failed["can_retry"]) == ("failed", 1102, True)
    assert [step["output_url"] is not None for step in failed["steps"]] == [True, True, False]
    made = await tasks_of(relay, "by-hand")
    assert [task["id"] for task in made[:2]] == [task["id"] for task in before]
    assert len(made) == 3
    charged = sum(task["charged_micros"] for task in made)
    assert await relay.account("by-hand") == (QUOTA_MICROS - charged, 0)
    assert not (await relay.audit()).differences


async def _move(relay: Relay, run_id: int) -> None:
    """Move a run's tasks and steps a little, and no step behind two that are done."""
    for looked in await relay.parts.tasks.looker.claim_due(100):
        await relay.parts.tasks.looker.look(looked)
    await relay.rows("UPDATE tasks SET next_look_at = now() WHERE hold_ended_at IS NULL")
    await relay.rows("UPDATE run_steps SET next_attempt_at = now() WHERE place < 2")
    for due in await claim(relay):
        row = await relay.row("SELECT run_id, place FROM run_steps WHERE id = $1", due.id)
        if (row["run_id"], row["place"]) != (run_id, 2):
            await relay.parts.runs.runner.advance(due)


async def _add(relay: Relay, micros: int) -> None:
    async with relay.sessions.begin() as session:
        await adjust_quota(
            session, ACTOR, "by-hand", amount_micros=micros, reason="by a test", currency="USD"
        )
