"""What is done to channels by forms: each by the desk, with a change, and by who may."""

from typing import Any

from relay.operators.tables import Role
from relay.sandbox.settings import DEFAULT_ACCOUNT
from tests.console.visiting import Visit, version_of, visiting
from tests.relay_app import SANDBOX_URL, Relay, fixture_relay

KEYS = {"access_key": "ak-9", "secret_key": "sk-of-nine"}
NEW = {"name": "nine", "base_url": SANDBOX_URL, "unasked": "on", **KEYS}


async def changes(relay: Relay) -> list[Any]:
    return await relay.rows(
        "SELECT * FROM changes WHERE act LIKE 'channel.%' OR act LIKE 'pause.%'"
    )


async def channel(relay: Relay, channel_id: int) -> Any:
    return await relay.row("SELECT * FROM channels WHERE id = $1", channel_id)


async def test_a_channel_is_added_changed_and_removed(database_url: str) -> None:
    """Each by its form, with a change; what is wrong is said at its field, and writes nothing."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        main = await relay.add_channel()
        await check_wrongs(relay, ann, main)
        answer = await ann.post("/channels/add", **NEW, groups="a,b", room="video=5\nimage=2")
        assert answer.status_code == 303, answer.text
        nine = int(answer.headers["location"].partition("?")[0].rpartition("/")[2])
        row = await channel(relay, nine)
        assert (row["groups"], row["room"]) == (["a", "b"], '{"image": 2, "video": 5}')
        page = await ann.read(f"/channels/{nine}/edit")
        assert "video=5" in page
        for secret in (*KEYS.values(), DEFAULT_ACCOUNT.secret_key):
            assert secret not in page

        same = {"name": "ten", "base_url": SANDBOX_URL, "priority": "-3", "weight": "7"}
        answer = await ann.post(
            f"/channels/{nine}/edit",
            **same,
            version=version_of(page),
            room="video=6",
            models="kling-v3",
            proxy="http://u:hush@10.0.0.1:3128",
            timeout_s="30",
        )
        assert answer.status_code == 303, answer.text
        row = await channel(relay, nine)
        assert (row["name"], row["priority"], row["weight"], row["room"]) == (
            *("ten", -3, 7, '{"video": 6}'),
        )
        assert (row["groups"], row["models"], row["access_key"]) == ([], ["kling-v3"], "ak-9")
        assert (row["proxy"], row["timeout_s"]) == ("http://u@10.0.0.1:3128", 30.0)
        page = await ann.read(f"/channels/{nine}/edit")
        assert ("http://u@10.0.0.1:3128" in page, "hush" in page) == (True, False)
        fields = {**same, "version": version_of(page), "no_proxy": "on", "timeout_s": "30"}
        await ann.post(f"/channels/{nine}/edit", **fields)
        assert (await channel(relay, nine))["proxy"] is None

        for act, state in (
            *(("drain", (True, True)), ("undrain", (True, False))),
            *(("disable", (False, False)), ("enable", (True, False))),
        ):
            assert act in await ann.read(f"/channels/{nine}/{act}")
            assert (await ann.post(f"/channels/{nine}/{act}")).status_code == 303
            row = await channel(relay, nine)
            assert (row["enabled"], row["is_draining"]) == state, act
        fields = {"unit": "video", "price": "0.11", "currency": "CNY", "from": "2026-11-01"}
        answer = await ann.post(f"/channels/{nine}/cost", **fields)
        assert (answer.status_code, "Say what it is worth." in answer.text) == (422, True)
        assert (await ann.post(f"/channels/{nine}/cost", **fields, rate="7.12")).status_code == 303
        assert "7.12 CNY = 1 USD" in await ann.read(f"/channels/{nine}")
        assert (await ann.post(f"/channels/{nine}/remove")).headers["location"].endswith("removed")
        assert "ten" in await ann.read("/channels", removed="on")
        noted = [row["act"] for row in await changes(relay)]
        assert noted[:3] == ["channel.add", "channel.change", "channel.change"]
        assert noted[-2:] == ["channel.set_cost", "channel.remove"]
        assert {row["actor"] for row in await changes(relay)} == {"operator:ann"}
        for secret in ("sk-of-nine", "hush"):
            assert secret not in str(await relay.rows("SELECT * FROM changes"))


async def check_wrongs(relay: Relay, ann: Visit, main: int) -> None:
    wrongs: list[tuple[dict[str, str], str, int]] = [
        ({"name": ""}, "Fill this in.", 422),
        ({"secret_key": ""}, "An access key goes with its secret key.", 422),
        ({"access_key": "", "secret_key": ""}, "Give a key pair", 422),
        ({"priority": "high"}, "A whole number from -1000 to 1000.", 422),
        ({"room": "video"}, "A line each", 422),
        ({"proxy": "ftp://x"}, "it begins with http://", 422),
        ({"name": "main"}, "Another one is called that.", 409),
        ({"base_url": "kling"}, "must begin with https://", 409),
        ({"access_key": DEFAULT_ACCOUNT.access_key}, "is this Kling account already", 409),
        ({"room": "video/=3"}, "no pack", 409),
        ({"unasked": ""}, 'id="access_key-error"', 422),
    ]
    for wrong, said, status in wrongs:
        answer = await ann.post("/channels/add", **NEW | wrong)
        assert (answer.status_code, said in answer.text) == (status, True), (wrong, answer.text)
        assert "sk-of-nine" not in answer.text
    answer = await ann.post(f"/channels/{main}/edit", name="main", base_url="", weight="0")
    assert (answer.status_code, answer.text.count('class="error"')) == (422, 2)
    assert (await ann.get(f"/channels/{main}/explode")).status_code == 404
    assert await changes(relay) == []


async def test_kling_is_asked_before_a_channel_is_added(database_url: str) -> None:
    """Keys that it does not take are told beside them; a sandbox is known for one."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        fields = {"name": "nine", "base_url": f"{SANDBOX_URL}/"}
        answer = await ann.post("/channels/add", **fields, **KEYS)
        assert (answer.status_code, answer.text.count('id="access_key-error"')) == (422, 1)
        assert await changes(relay) == []
        right = {"access_key": DEFAULT_ACCOUNT.access_key, "secret_key": DEFAULT_ACCOUNT.secret_key}
        assert (await ann.post("/channels/add", **fields, **right)).status_code == 303
        assert (await relay.row("SELECT is_sandbox FROM channels"))["is_sandbox"]


async def test_creates_are_paused_and_let_on_again(database_url: str) -> None:
    """By a form that a channel's page leads to; a pause of everything has to be meant."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        main = await relay.add_channel("a&b")
        assert "channel=a%26b" in await ann.read(f"/channels/{main}")
        assert 'value="a&b" selected' in await ann.read("/pauses/add", channel="a&b")
        wrongs: list[tuple[dict[str, str], str]] = [
            ({}, "Name what is paused above"),
            ({"tenant": "nobody"}, "There is no tenant nobody."),
            ({"all": "on", "reason": ""}, "Fill this in."),
        ]
        for wrong, said in wrongs:
            answer = await ann.post("/pauses/add", **{"reason": "<i>no</i>"} | wrong)
            assert (answer.status_code >= 400, said in answer.text) == (True, True), wrong
        answer = await ann.post("/pauses/add", channel="a&b", reason="<i>no</i>", minutes="60")
        assert answer.status_code == 303, answer.text
        (row,) = await relay.rows("SELECT * FROM pauses")
        assert (row["channel_id"], row["tenant_id"], row["until"] is None) == (main, None, False)
        assert "&lt;i&gt;no" in (await ann.get("/pauses")).text
        assert "paused" in await ann.read("/channels")

        pages = (
            "/pauses/add",
            f"/pauses/{row['id']}/end",
            "/channels/add",
            f"/channels/{main}/edit",
        )
        acts = (f"/channels/{main}/cost", f"/channels/{main}/drain", f"/channels/{main}/remove")
        for path in (*pages, *acts):
            assert (await vic.get(path)).status_code == 403, path
            fields = {
                **NEW,
                "weight": "1",
                "reason": "x",
                "all": "on",
                "unit": "video",
                "price": "1",
            }
            assert (await vic.post(path, **fields)).status_code == 403, path
        for path in ("/pauses", "/channels", f"/channels/{main}"):
            page = await vic.read(path)
            assert not any(f'href="/console{one}"' in page for one in (*pages, *acts)), path
        assert (await ann.post(f"/pauses/{row['id']}/end")).status_code == 303
        again = await ann.post(f"/pauses/{row['id']}/end")
        assert (again.status_code, "over already" in again.text) == (409, True)
        assert [one["act"] for one in await changes(relay)] == ["pause.add", "pause.end"]
        assert "Nothing is paused" in await ann.read("/pauses")
        await what_runs_is_told_before_its_removal(relay, ann, main)


async def what_runs_is_told_before_its_removal(relay: Relay, ann: Visit, main: int) -> None:
    """How many tasks run there, and the drain instead of a button that would be refused."""
    here, button = f"/channels/{main}/remove", "Remove it for good"
    assert button in await ann.read(here)
    await relay.submit(await relay.add_tenant())
    page = await ann.read(here)
    assert "1 task of it is not over" in page
    assert (button in page, f"/channels/{main}/drain" in page) == (False, True)
    assert (await ann.post(here)).status_code == 409
    assert (await ann.post(f"/channels/{main}/drain")).status_code == 303
    page = await ann.read(here)
    assert (button in page, "it is draining" in page) == (False, True)
