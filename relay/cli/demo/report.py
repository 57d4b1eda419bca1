"""What the demo prints at its end: tables for people, or the one JSON document; how to call it."""

import json
import shlex
from urllib.parse import urlsplit

import rich_click as click

from relay.cli.demo.checks import Books, told_ends
from relay.cli.demo.stage import CURRENCY, DemoTenant, Stage
from relay.cli.demo.story import Played
from relay.cli.show import print_json, print_table
from relay.money import decimal_of

PATH = "/kling/v1/videos/text2video"
BODY = json.dumps({"model_name": "kling-v3", "prompt": "a red fox in the snow"})


def print_document(books: Books, refused: Played) -> None:
    """Print the result for programs; nothing else goes to stdout then."""
    tasks = [
        {
            "endpoint": row.endpoint,
            "id": row.id,
            "task_id": row.kling_id,
            "external_task_id": row.tenant_external_id,
            "status": row.state,
            "held_micros": row.hold_micros,
            "charged_micros": row.charged_micros or 0,
        }
        for row in books.tasks
    ]
    print_json(
        {
            "tasks": tasks,
            "accounts": [row._asdict() for row in books.accounts],
            "refusals": [{"http_status": refused.http_status, "code": refused.code}],
            "audit": books.audit,
        }
    )


def print_tables(books: Books, refused: Played, tenants: dict[str, DemoTenant]) -> None:
    """Print the result for people."""
    click.echo(f"\nTasks ({CURRENCY})\n")
    print_table(
        ["endpoint", "id", "Kling's id", "own id", "status", ">held", ">charged"],
        (
            [
                row.endpoint,
                str(row.id),
                row.kling_id or "-",
                row.tenant_external_id or "-",
                row.state,
                _amount(row.hold_micros),
                _amount(row.charged_micros or 0),
            ]
            for row in books.tasks
        ),
        empty="none",
    )
    click.echo(f"\nAccounts ({CURRENCY})\n")
    print_table(
        ["tenant", ">opening", ">charged", ">quota now", ">held now"],
        (
            [
                row.tenant,
                _amount(tenants[row.tenant].opening_micros),
                _amount(tenants[row.tenant].opening_micros - row.quota_micros),
                _amount(row.quota_micros),
                _amount(row.held_micros),
            ]
            for row in books.accounts
        ),
        empty="none",
    )
    click.echo(f"\nRefused:   {refused.http_status}/{refused.code} {refused.message}")
    successes = [row for row in books.tasks if row.state == "succeed"]
    click.echo(
        f"Callbacks: {len(books.tasks)} ends, told {len(told_ends(books.kling))} times;"
        f" {len(successes)} successes, charged {sum(len(row.charges) for row in books.tasks)} times"
    )
    audit = books.audit
    verdict = "ok" if audit.ok else f"{len(audit.differences)} differences"
    click.echo(
        f"Audit:     {verdict} ({audit.tasks} tasks, {audit.entries} entries,"
        f" {audit.accounts} accounts recomputed)"
    )
    for difference in audit.differences:
        click.echo(f"  {difference.row}: {difference.rule}, {difference}")


def _amount(micros: int) -> str:
    """Spell an amount with two places at least, so that a column can be read down."""
    whole, _, places = decimal_of(micros).partition(".")
    return f"{whole}.{places:0<2}"


def how_to_call(stage: Stage, *, console_key: str, portal_key: str) -> str:
    """Write it all down. The keys are real and shown on purpose: they end with the demo."""
    acme, globex = (stage.tenants[name].token for name in ("acme", "globex"))
    bearer = shlex.quote(f"Authorization: Bearer {acme.api_key}")
    relay_url = stage.relay.url
    return f"""
The relay serves   {relay_url}
Kling, the sandbox {stage.sandbox.url}

The console, in a browser, by a link that is good once and for ten minutes:

{stage.relay.office_url}/console/enter?key={console_key}

The portal, where acme sees what is its own, by a link that is good once and for an hour:

{relay_url}/portal/enter?key={portal_key}

With acme's API key:

curl -s {relay_url}{PATH} -H {bearer} -H 'Content-Type: application/json' -d {shlex.quote(BODY)}

Settings of a Kling SDK, for globex:

base URL    {relay_url}
access key  {globex.access_key}
secret key  {globex.secret_key}

The same in Python:

import time, httpx, jwt

BASE_URL = "{relay_url}"
ACCESS_KEY = "{globex.access_key}"
SECRET_KEY = "{globex.secret_key}"
PATH = "{PATH}"

now = int(time.time())
claims = {{"iss": ACCESS_KEY, "exp": now + 1800, "nbf": now - 5}}
bearer = jwt.encode(claims, SECRET_KEY, "HS256")
kling = httpx.Client(base_url=BASE_URL, headers={{"Authorization": f"Bearer {{bearer}}"}})
task = kling.post(PATH, json={BODY}).json()["data"]
while task["task_status"] not in ("succeed", "failed"):
    time.sleep(1)
    task = kling.get(f"{{PATH}}/{{task['task_id']}}").json()["data"]
print(task["task_status"], task["task_result"]["videos"][0]["url"])

The operator's side, in another terminal:

export RELAY_DATABASE_URL={shlex.quote(stage.database_url)} RELAY_SECRET_KEY={stage.secret_key}
export RELAY_OFFICE_PORT={urlsplit(stage.relay.office_url).port}
relay task list
relay console open
RELAY_PORTAL=true RELAY_PUBLIC_URL={relay_url} relay tenant link acme
"""
