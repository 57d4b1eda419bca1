"""What a tenant's tasks and money look like: something of everything that these pages show."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import httpx

from relay.database.ids import TaskId
from relay.desk.invoices import (
    InvoicePaper,
    ProfileChanges,
    issue_invoice,
    request_invoice,
    set_invoice_profile,
)
from relay.desk.money import add_quota
from relay.desk.tasks import settle
from relay.desk.tokens import issue_token
from relay.ledger.tables import TopupKind
from relay.tenants.tokens import IssuedToken
from tests.console.story import MARKUP
from tests.health.test_room import set_room
from tests.limits.limiting import sub_tenant
from tests.queue.waiting_line import create
from tests.relay_app import ACTOR, CLIP, Relay, bearer
from tests.waiting import wait_until

RESULT = "https://v1-kling.klingai.com/fox.mp4"
HOOK = f"https://hooks.example.com/kling?name={MARKUP.replace(' ', '+')}"
BILLED = "Rote Füchse GmbH " + MARKUP


async def token_of(relay: Relay, tenant: str = "acme", **of: Any) -> IssuedToken:
    async with relay.sessions.begin() as session:
        return await issue_token(session, ACTOR, tenant, relay.keys, **of)


async def pay(relay: Relay, amount_micros: int, reference: str, tenant: str = "acme") -> int:
    """Add what was paid, and return our id of its entry."""
    async with relay.sessions.begin() as session:
        await add_quota(
            *(session, ACTOR, tenant),
            amount_micros=amount_micros,
            reference=reference,
            kind=TopupKind.PAID,
            currency="USD",
        )
    row = await relay.row("SELECT max(id) AS id FROM entries")
    return int(row["id"])


async def add_invoice(relay: Relay, entry_id: int, number: str, tenant: str = "acme") -> int:
    """Have one issued over a top-up, with a file, and return its id."""
    paper = InvoicePaper("fapiao.pdf", b"%PDF-1.7 of " + tenant.encode())
    async with relay.sessions.begin() as session:
        profile = ProfileChanges(title=BILLED, tax_id="91310000MA1K35", mail="ap@acme.example")
        await set_invoice_profile(session, ACTOR, tenant, profile)
        row = await request_invoice(session, ACTOR, tenant, currency="USD", entries=[entry_id])
        await issue_invoice(session, ACTOR, row.id, number=number, paper=paper)
        return row.id


async def settled(relay: Relay, token: IssuedToken, **fields: Any) -> str:
    """Make a task that has ended well, with a result, and a callback that was given up."""
    answer = (await relay.submit(token, CLIP | {"callback_url": HOOK, **fields})).json()
    task_id: str = answer["data"]["task_id"]
    row = await relay.task(task_id)
    assert await relay.act(settle, TaskId(row["id"]))
    await relay.rows(
        "UPDATE tasks SET result_urls = ARRAY[$2::text, 'https://elsewhere.example/x.png']"
        " WHERE id = $1",
        *(row["id"], RESULT),
    )
    await relay.rows(
        "UPDATE deliveries SET state = 'dead', ended_at = now(), attempts = 1,"
        " reason = 'answered 500' WHERE task_id = $1",
        row["id"],
    )
    await relay.rows(
        "INSERT INTO delivery_attempts (delivery_id, number, http_status, duration_ms, response)"
        " SELECT id, 1, 500, 12, $2 FROM deliveries WHERE task_id = $1",
        *(row["id"], MARKUP),
    )
    return task_id


async def add_asset(relay: Relay, tenant: str, state: str = "stored") -> str:
    """Have a tenant keep a picture that it sent, of which the store knows nothing."""
    row = await relay.row(
        "WITH content AS ("
        " INSERT INTO asset_objects (tenant_id, sha256, bytes, stored_at)"
        " SELECT id, md5(random()::text), 2411724, now() FROM tenants WHERE name = $1 RETURNING *"
        ") INSERT INTO assets (tenant_id, source, state, object_id, sha256, bytes, content_type,"
        " stored_at, kept_until, ended_at)"
        " SELECT tenant_id, 'upload', $2::text, CASE WHEN $2 = 'stored' THEN id END, sha256, bytes,"
        " 'image/png', now(), now() + interval '7 days', CASE WHEN $2 = 'deleted' THEN now() END"
        " FROM content RETURNING public_id::text AS id",
        *(tenant, state),
    )
    return str(row["id"])


async def add_run(relay: Relay, token: IssuedToken, prompt: str) -> str:
    """Have a picture made by the studio, and return what it is called; it has not ended."""

    async def begin() -> httpx.Response | None:
        answer = await relay.client.post(
            "/api/kling/image-generation", headers=bearer(token), json={"prompt": prompt}
        )
        # A busy machine may have one come again, as any client would.
        return None if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE else answer

    answer = await wait_until(begin)
    assert answer.status_code == HTTPStatus.OK, answer.text
    return str(answer.json()["task_id"])


async def tell_of_studio(relay: Relay) -> list[str]:
    """Make some for `acme`, and return the addresses of the pages of its studio."""
    run = await add_run(relay, await token_of(relay), f"a fox {MARKUP}")
    failed = await add_run(relay, await token_of(relay), "another")
    await relay.rows(
        "UPDATE runs SET state = 'failed', ended_at = now(), error_message = $2"
        " WHERE public_id::text = $1",
        *(failed, MARKUP),
    )
    await relay.rows(
        "UPDATE run_steps SET state = 'failed', error_message = $2 FROM runs r"
        " WHERE r.id = run_id AND r.public_id::text = $1",
        *(failed, MARKUP),
    )
    return [
        *("/studio", "/studio/voices", "/studio/runs", "/studio/runs?state=cancelled"),
        *("/studio/make/workflow/digital-human", "/studio/make/workflow/product-showcase"),
        *("/studio/make/workflow/batch-avatars", "/studio/make/image/omni-image"),
        *(f"/studio/runs/{run}", f"/studio/runs/{run}/cancel"),
        *(f"/studio/runs/{failed}", f"/studio/runs/{failed}/retry"),
    ]


async def tell_of_work(relay: Relay) -> list[str]:
    """Make it for `acme`, and return the addresses of the pages that show it."""
    token = await token_of(relay)
    await relay.rows("UPDATE tokens SET name = $2 WHERE id = $1", token.id, f"studio {MARKUP}")
    task = await settled(relay, token, external_task_id="order-4711")
    first = await pay(relay, 25_000_000, "INV-1")
    await pay(relay, 5_500_000, "INV-2")
    invoice = await add_invoice(relay, first, "26-0001")
    below = await sub_tenant(relay, "eu", str(Decimal("1.3")))
    theirs = await settled(relay, below)
    # As much as Kling gives, so that the next one waits.
    await set_room(relay, "main", {"video": 0})
    waiting = (await create(relay, token)).json()["data"]["task_id"]
    failed = await relay.row(
        "SELECT kling_id FROM tasks t JOIN tenants n ON n.id = t.tenant_id"
        " WHERE n.name = 'acme' AND t.state = 'failed' LIMIT 1"
    )
    return [
        "/tasks",
        "/tasks?state=queued",
        "/tasks?tenant=eu",
        "/tasks?tenant=nobody&from=never&token=x",
        "/tasks?model=none",
        *(f"/tasks/{one}" for one in (task, theirs, waiting, failed["kling_id"])),
        f"/tasks/{waiting}/cancel",
        f"/tasks/{task}/cancel",
        "/tasks/find?id=nothing",
        "/tasks/find",
        "/tasks/4711",
        "/usage",
        "/usage?from=2026-11-01&to=2026-10-01",
        "/usage?month=2020-01",
        "/money",
        "/money?kind=charge",
        "/money?kind=correction",
        "/money?month=soon",
        "/money/statement",
        "/money/statement?month=soon",
        "/money/invoices",
        "/money/invoices/profile",
        f"/money/invoices/{invoice + 1000}/file",
    ]
