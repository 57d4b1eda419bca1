from datetime import UTC, datetime

from standardwebhooks import Webhook

from relay.sandbox.callbacks import signature_headers
from relay.sandbox.settings import DEFAULT_ACCOUNT, Account, SandboxSettings
from tests.sandbox.client import Caller
from tests.sandbox.conftest import Opened
from tests.sandbox.receiver import Post, Receiver

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="


def _statuses(posts: list[Post]) -> list[str]:
    return [post.json["task_status"] for post in posts]


async def test_every_change_of_status_is_called_back(kling: Caller) -> None:
    """Section 6: three flat posts; the last has result and deduction, no watermark_url."""
    async with Receiver() as receiver:
        task = await kling.accepted(
            prompt="a cat",
            external_task_id="mine",
            callback_url=receiver.url,
            watermark_info={"enabled": True},
        )

        posts = await receiver.wait(3)
        queried = await kling.ended(task["task_id"])

    (video,) = queried["task_result"]["videos"]
    del video["watermark_url"]
    assert _statuses(posts) == ["submitted", "processing", "succeed"]
    assert posts[0].headers["content-type"] == "application/json; charset=utf-8"
    assert "webhook-id" not in posts[0].headers
    assert not {"task_result", "final_unit_deduction"} & set(posts[1].json)
    assert posts[2].json == {
        "task_id": task["task_id"],
        "task_status": "succeed",
        "task_status_msg": "",
        "created_at": task["created_at"],
        "updated_at": queried["updated_at"],
        "final_unit_deduction": "1",
        "final_balance_deduction": {"quota": "0", "list_price": "0"},
        "task_info": {"external_task_id": "mine"},
        "task_result": {"videos": [video]},
    }


async def test_a_callback_that_is_not_answered_2xx_is_sent_again(kling: Caller) -> None:
    """Our choice: three attempts of the same body; the log has each with its answer."""
    async with Receiver(answers=(500, 404)) as receiver:
        await kling.accepted(prompt="a cat [slow 60]", callback_url=receiver.url)

        posts = await receiver.wait(3)

    assert len({post.body for post in posts}) == 1
    assert [(entry["attempt"], entry["http_status"]) for entry in await kling.log("callback")][
        :2
    ] == [(1, 500), (2, 404)]


async def test_a_receiver_that_is_down_is_logged_without_a_status(kling: Caller) -> None:
    """Nobody listens: http_status is null, the task ends all the same; only the host is logged."""
    async with Receiver() as receiver:
        url = receiver.url
    task = await kling.accepted(prompt="a cat", callback_url=url)

    data = await kling.ended(task["task_id"])

    entry = (await kling.log("callback"))[0]
    assert data["task_status"] == "succeed"
    assert (entry["host"], entry["http_status"]) == ("127.0.0.1", None)


async def test_a_lost_callback_is_never_sent(kling: Caller) -> None:
    """`[lost callback]`: the other task's three posts arrive, none of this one."""
    async with Receiver() as receiver:
        lost = await kling.accepted(prompt="[lost callback]", callback_url=receiver.url)
        await kling.ended(lost["task_id"])
        told = await kling.accepted(prompt="a cat", callback_url=receiver.url)

        posts = await receiver.wait(3)

    assert {post.json["task_id"] for post in posts} == {told["task_id"]}


async def test_a_double_callback_comes_twice(kling: Caller) -> None:
    """`[double callback]`: six posts, each status two times with the same bytes."""
    async with Receiver() as receiver:
        await kling.accepted(prompt="[double callback]", callback_url=receiver.url)

        posts = await receiver.wait(6)

    assert sorted(_statuses(posts)) == sorted(["submitted", "processing", "succeed"] * 2)
    assert len({post.body for post in posts}) == 3


async def test_reverse_callbacks_begin_with_the_end(kling: Caller) -> None:
    """`[reverse callbacks]`: nothing until the end, then succeed, processing, submitted."""
    async with Receiver() as receiver:
        await kling.accepted(prompt="[reverse callbacks]", callback_url=receiver.url)

        posts = await receiver.wait(3)

    assert _statuses(posts) == ["succeed", "processing", "submitted"]


async def test_a_late_callback_comes_after_the_end(kling: Caller) -> None:
    """`[late callback 0.4]`: the task of 0.1 s has ended when the first post comes."""
    async with Receiver() as receiver:
        task = await kling.accepted(prompt="[late callback 0.4]", callback_url=receiver.url)
        await kling.ended(task["task_id"])
        before = len(receiver.posts)

        posts = await receiver.wait(3)

    assert before == 0
    assert sorted(_statuses(posts)) == ["processing", "submitted", "succeed"]


async def test_an_account_with_a_webhook_secret_signs_its_callbacks(opened: Opened) -> None:
    """Section 6: Standard Webhooks over the raw body; the receiver's library accepts it."""
    account = Account(
        DEFAULT_ACCOUNT.access_key, DEFAULT_ACCOUNT.secret_key, DEFAULT_ACCOUNT.api_key, SECRET
    )
    settings = SandboxSettings(accounts=(account,), task_seconds=0.1)
    async with Receiver() as receiver, opened(settings) as kling:
        await kling.accepted(prompt="ein Kätzchen", callback_url=receiver.url)

        posts = await receiver.wait(3)

    for post in posts:
        Webhook(SECRET).verify(post.body, post.headers)
    assert len({post.headers["webhook-id"] for post in posts}) == 3


def test_the_signature_is_the_vendors() -> None:
    """Section 6's vector, byte for byte."""
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"",'
        b'"create_time":1781080778802,"update_time":1781080794151}'
    )
    at = datetime.fromtimestamp(1781080794, UTC)

    headers = signature_headers(SECRET, message_id="9876543210", at=at, body=body)

    assert headers == {
        "webhook-id": "9876543210",
        "webhook-timestamp": "1781080794",
        "webhook-signature": "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4=",
    }
