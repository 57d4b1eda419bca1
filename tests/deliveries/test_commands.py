"""`relay delivery` and `relay tenant webhook-secret`, as the operator types them."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from relay.secrets import new_secret_key
from tests.cli.command import Command, execute

ADD = """
WITH task AS (
    INSERT INTO tasks (tenant_id, account_id, token_id, channel_id, endpoint, state, injected_id,
        request_id, quote, hold_micros, submit_deadline_at, kling_id, tenant_external_id)
    SELECT t.id, t.account_id, k.id, c.id, 'text2video', 'submitted', 'x-' || t.name,
        'request-' || t.name, '{}', 0, now(), 'kling-' || t.name, 'order-' || t.name
    FROM tenants t JOIN tokens k ON k.tenant_id = t.id, channels c
    RETURNING id, tenant_id
),
told AS (
    INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state, attempts, ended_at,
        webhook_id, reason)
    SELECT id, tenant_id, 'https://a.example/hook', 'succeed', '{"task_id":"1","n":1.50}', 'dead',
        2, now(), 'msg_' || tenant_id, 'given up after 72 hours; at last: HTTP 500'
    FROM task RETURNING id
)
INSERT INTO delivery_attempts (delivery_id, number, http_status, error, duration_ms, response)
SELECT id, 1, 500, NULL, 12, E'busy\\n\\x1b[31m' FROM told
UNION ALL SELECT id, 2, NULL, NULL, NULL, NULL FROM told
"""


@pytest.fixture
def relay(database_url: str) -> Command:
    """Two tenants; each has one dead delivery with two attempts, the second without an outcome."""
    command = Command(
        {
            "RELAY_DATABASE_URL": database_url,
            "RELAY_SECRET_KEY": new_secret_key(),
            "RELAY_CALLBACK_ALLOW": "127.0.0.0/8",
        }
    )
    for name in ("acme", "beta"):
        command("tenant", "add", name)
        command("token", "add", name)
    command(
        *("channel", "add", "main", "--key", "A|S", "--base-url", "http://127.0.0.1:1"),
        "--no-check",
    )
    execute(command, ADD)
    return command


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted in its server's `posts`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        posts: list[Any] = self.server.posts  # type: ignore[attr-defined]  # set by the fixture
        posts.append((dict(self.headers), body))
        self.send_response(204 if self.path == "/hook" else 500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    """A tenant's server in a thread: the command has a loop of its own."""
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.posts = []  # type: ignore[attr-defined]  # read by the handler
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", server.posts  # type: ignore[attr-defined]  # see above
    server.shutdown()
    thread.join()
    server.server_close()


def test_deliveries_are_listed_by_tenant_state_and_task(relay: Command) -> None:
    """Newest first; a task by any of its ids."""
    every = relay.json("delivery", "list")
    of_acme = relay.json("delivery", "list", "--tenant", "acme")
    of_task = relay.json("delivery", "list", "--task", "kling-beta")
    of_order = relay.json("delivery", "list", "--task", "order-acme", "--state", "dead")
    due = relay.json("delivery", "list", "--state", "due")

    assert [row["id"] for row in every] == sorted((row["id"] for row in every), reverse=True)
    assert [row["tenant"] for row in of_acme] == [row["tenant"] for row in of_order] == ["acme"]
    assert [row["tenant"] for row in of_task] == ["beta"]
    assert (len(every), due) == (2, [])
    assert "https://a.example/hook" in relay("delivery", "list").stdout


def test_a_delivery_is_shown_with_its_attempts(relay: Command) -> None:
    """By our id or the webhook id; what the tenant's server answered cannot steer a terminal."""
    (row,) = relay.json("delivery", "list", "--tenant", "acme")

    shown = relay.json("delivery", "show", str(row["id"]))
    text = relay("delivery", "show", row["webhook_id"]).stdout

    assert shown["reason"] == "given up after 72 hours; at last: HTTP 500"
    assert [one["http_status"] for one in shown["attempt_list"]] == [500, None]
    assert shown["body"] == {"task_id": "1", "n": 1.50}
    assert "HTTP 500" in text
    assert "its worker ended" in text
    assert "\x1b" not in text


def test_a_replay_makes_a_delivery_due_again(relay: Command) -> None:
    """Once: while it is due, a second one is refused."""
    (row,) = relay.json("delivery", "list", "--tenant", "acme")

    relay("delivery", "replay", row["webhook_id"])
    said = relay.refused("delivery", "replay", str(row["id"]))

    (after,) = relay.json("delivery", "list", "--state", "due")
    assert (after["id"], after["reason"], after["ended_at"]) == (row["id"], None, None)
    assert after["next_attempt_at"] is not None
    assert said == f"error: delivery {row['id']}: it is due already; nothing was changed"


@pytest.mark.parametrize("command", ["show", "replay"])
@pytest.mark.parametrize("key", ["999", "msg_nobody", "9" * 40, "-"])
def test_an_unknown_delivery_is_named(relay: Command, command: str, key: str) -> None:
    """One sentence and exit code 1."""
    said = relay.refused("delivery", command, "--", key)

    assert f"there is no delivery '{key}'" in said


def test_an_unknown_task_or_tenant_is_named(relay: Command) -> None:
    """As in the other commands."""
    task = relay.refused("delivery", "list", "--task", "nobody")
    tenant = relay.refused("delivery", "list", "--tenant", "acne")

    assert "no task has the id 'nobody'" in task
    assert "did you mean 'acme'" in tenant


def test_a_ping_is_signed_and_shown(relay: Command, hook: tuple[str, list[Any]]) -> None:
    """With the tenant's secret, through the same guard."""
    url, posts = hook
    secret = relay.json("tenant", "webhook-secret", "acme")["secret"]

    shown = relay.json("delivery", "ping", "acme", f"{url}/hook")

    ((headers, body),) = posts
    Webhook(secret).verify(body, headers)
    assert (shown["delivered"], shown["signed"], shown["http_status"]) == (True, True, 204)


def test_a_ping_that_fails_exits_with_1(relay: Command, hook: tuple[str, list[Any]]) -> None:
    """What the server answered is on stdout, the verdict on stderr."""
    url, _ = hook

    result = relay("delivery", "ping", "acme", f"{url}/other", code=1)

    assert "HTTP 500" in result.stdout
    assert "it did not arrive: HTTP 500" in result.stderr


def test_a_ping_goes_through_the_guard(relay: Command, hook: tuple[str, list[Any]]) -> None:
    """Without the allow-list neither the address nor its name is dialled."""
    url, posts = hook
    port = url.rpartition(":")[2]

    literal = relay.refused("delivery", "ping", "acme", url, RELAY_CALLBACK_ALLOW=None)
    name = relay.refused(
        "delivery", "ping", "acme", f"http://localhost:{port}/hook", RELAY_CALLBACK_ALLOW=None
    )

    assert literal == "error: the URL must be a public address"
    assert "the address is not a public one" in name
    assert posts == []


def test_a_ping_to_nobody_says_so(relay: Command) -> None:
    """A port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        said = relay.refused("delivery", "ping", "acme", f"http://127.0.0.1:{port}/")

    assert "the connection was refused or broke" in said


def test_a_webhook_secret_is_shown_once(relay: Command) -> None:
    """A second call shows nothing and changes nothing; a rotation says until when both sign."""
    first = relay.json("tenant", "webhook-secret", "acme")

    said = relay.refused("tenant", "webhook-secret", "acme")
    second = relay.json("tenant", "webhook-secret", "acme", "--rotate")
    too_soon = relay.refused("tenant", "webhook-secret", "acme", "--rotate")
    text = relay("tenant", "webhook-secret", "acme", "--rotate", "--end-former").stdout

    assert first["replaced_signs_until"] is None
    assert first["secret"].startswith("whsec_")
    assert "--rotate makes a new one" in said
    assert second["secret"] != first["secret"]
    assert second["replaced_signs_until"] is not None
    assert "has a former webhook secret that signs until" in too_soon
    assert "the old one signs until" in text
    assert second["secret"] not in text


@pytest.mark.parametrize("value", ["10.0.0.0/33", "tenant.example", "10.0.0.1:80"])
def test_an_allow_list_that_is_none_is_refused(relay: Command, value: str) -> None:
    """At start, in one sentence: networks and addresses only."""
    said = relay.refused("delivery", "list", code=2, RELAY_CALLBACK_ALLOW=f"10.0.0.0/8, {value}")

    assert f"RELAY_CALLBACK_ALLOW has '{value}', which is no address or network" in said
