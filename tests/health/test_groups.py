"""Groups: which channels serve whom; and keys for tests, which are free and cost nobody a unit."""

from typing import Any

import pytest

from relay.channels.read import read_rows
from relay.desk.channels import ChannelChanges, change_channel
from relay.desk.check.channels import judge_groups
from relay.desk.check.finding import Level
from relay.desk.errors import Unusable
from relay.desk.tenants import TenantChanges, change_tenant
from relay.desk.tokens import issue_token
from relay.tasks.inspect import TaskFilter, list_tasks
from relay.tasks.sold import read_sold
from relay.tenants.read import read_tenants, read_tokens
from tests.health.hosts import Hosts, of_model
from tests.relay_app import ACTOR, CLIP_MICROS, Relay, running_relay
from tests.tasks.scripted_kling import success


async def change(relay: Relay, name: str, **changes: Any) -> None:
    async with relay.sessions.begin() as session:
        await change_channel(session, ACTOR, relay.keys, name, ChannelChanges(**changes))
    relay.read_anew()


async def test_channels_serve_who_names_one_of_their_groups(database_url: str) -> None:
    """A token's groups go before its tenant's; without any all but tests is served."""
    hosts = Hosts("plain", "eu", "asia")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        await change(relay, "eu", groups=["eu", "both"])
        await change(relay, "asia", groups=["asia", "both"], models=["kling-v3"])
        everybody = await relay.add_tenant("everybody", quota_micros=100 * CLIP_MICROS)
        european = await relay.add_tenant("european", quota_micros=100 * CLIP_MICROS)
        async with relay.sessions.begin() as session:
            await change_tenant(session, ACTOR, "european", TenantChanges(groups=["eu"]))
            asian = await issue_token(session, ACTOR, "european", relay.keys, groups=["asia"])

        async def served(token: Any, model: str = "kling-v3") -> tuple[int, list[str]]:
            before = {name: hosts.posts(name) for name in hosts.names}
            code = (await relay.submit(token, of_model(model))).json()["code"]
            return code, [name for name in hosts.names if hosts.posts(name) > before[name]]

        assert await served(everybody) == (0, ["plain"])
        assert await served(european) == (0, ["eu"])
        assert await served(asian) == (0, ["asia"])
        assert await served(asian, "kling-v2-6") == (5001, [])
        await change(relay, "plain", enabled=False)
        await change(relay, "eu", enabled=False)
        assert await served(everybody) == (0, ["asia"])
        assert await served(everybody, "kling-v2-6") == (5001, [])
        assert await served(european) == (5001, [])

        async with relay.sessions() as session:
            rows, tenants = await read_rows(session), await read_tenants(session)
            tokens = [token for token, _ in await read_tokens(session)]
        (found,) = judge_groups(rows, tenants, tokens)
        assert (found.level, found.said) == (
            Level.BAD,
            "no channel serves tenant european (eu): creates are 503/5001",
        )
        # A word that stands for no group, or for all, would be one that serves nobody.
        for word in ("none", "all"):
            with pytest.raises(Unusable):
                await change(relay, "asia", groups=[word])
            async with relay.sessions.begin() as session:
                with pytest.raises(Unusable):
                    await change_tenant(session, ACTOR, "european", TenantChanges(groups=[word]))


async def test_a_key_for_tests_is_free_and_never_costs_a_unit(database_url: str) -> None:
    """Its tasks run on sandboxes in the group of tests, where no other key's do."""
    hosts = Hosts("real", "sandbox")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        await relay.rows("UPDATE channels SET is_sandbox = name = 'sandbox'")
        await change(relay, "sandbox", groups=["test"])
        token = await relay.add_tenant(quota_micros=CLIP_MICROS)
        async with relay.sessions.begin() as session:
            test = await issue_token(session, ACTOR, "acme", relay.keys, is_test=True)

        answers = [await relay.submit(test) for _ in range(3)]
        assert [answer.json()["code"] for answer in answers] == [0, 0, 0]
        made = answers[-1].json()["data"]["task_id"]
        assert (await relay.submit(token)).json()["code"] == 0
        assert (hosts.posts("real"), hosts.posts("sandbox")) == (1, 3)

        body = {
            "task_id": made,
            "task_status": "succeed",
            "final_unit_deduction": "3",
            "task_result": {"videos": [{"id": "v", "url": "http://v", "duration": "5"}]},
        }
        row = await relay.task(made)
        task = await relay.row("SELECT * FROM tasks WHERE kling_id = $1", made)
        hosts.queries["sandbox"] = success(
            body | {"task_info": {"external_task_id": row["injected_id"]}}
        )
        await relay.rows("UPDATE tasks SET refresh_at = now() - interval '1 hour'")
        shown = (await relay.get(test, made)).json()["data"]
        assert (task["hold_micros"], shown["task_status"]) == (0, "succeed")
        assert shown["final_unit_deduction"] == "0"
        ended = await relay.task(made)
        assert (ended["charged_micros"], ended["is_flagged"]) == (0, False)
        assert await relay.account() == (CLIP_MICROS, CLIP_MICROS)  # of the real one
        async with relay.sessions() as session:
            listed = await list_tasks(session, TaskFilter(), limit=10)
        assert sorted(one.is_test for one in listed) == [False, True, True, True]
        await change(relay, "real", enabled=False)
        assert (await relay.submit(token)).json()["code"] in (1102, 5001)
        # Also where a row, that no desk wrote, names another group beside.
        await relay.rows("UPDATE channels SET groups = '{eu,test}' WHERE name = 'sandbox'")
        relay.read_anew()
        assert (await relay.submit(token)).json()["code"] in (1102, 5001)
        assert hosts.posts("sandbox") == 3
        async with relay.sessions() as session:
            assert await read_sold(session, ["text2video"]) == []  # nobody pays for a test
        assert (await relay.audit()).ok
