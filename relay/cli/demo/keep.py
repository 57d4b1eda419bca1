"""How to call the demo's relay while it is kept running."""

import json
import shlex

from relay.cli.demo.tenants import DemoTenant

PATH = "/kling/v1/videos/text2video"
BODY = {"model_name": "kling-v3", "prompt": "a red fox in the snow"}

SNIPPET = """\
import time, httpx, jwt

BASE_URL = "{base_url}"
ACCESS_KEY = "{access_key}"
SECRET_KEY = "{secret_key}"
PATH = "{path}"

now = int(time.time())
claims = {{"iss": ACCESS_KEY, "exp": now + 1800, "nbf": now - 5}}
bearer = jwt.encode(claims, SECRET_KEY, "HS256")
kling = httpx.Client(base_url=BASE_URL, headers={{"Authorization": f"Bearer {{bearer}}"}})
task = kling.post(PATH, json={body}).json()["data"]
while task["task_status"] not in ("succeed", "failed"):
    time.sleep(1)
    task = kling.get(f"{{PATH}}/{{task['task_id']}}").json()["data"]
print(task["task_status"], task["task_result"]["videos"][0]["url"])
"""


def how_to_call(
    tenants: dict[str, DemoTenant],
    *,
    relay_url: str,
    sandbox_url: str,
    database_url: str,
    secret_key: str,
) -> str:
    """Write it all down. The keys are real and shown on purpose: they end with the demo."""
    acme, globex = tenants["acme"].token, tenants["globex"].token
    curl = [
        *("curl", "-s", f"{relay_url}{PATH}"),
        *("-H", f"Authorization: Bearer {acme.api_key}", "-H", "Content-Type: application/json"),
        *("-d", json.dumps(BODY)),
    ]
    snippet = SNIPPET.format(
        base_url=relay_url,
        access_key=globex.access_key,
        secret_key=globex.secret_key,
        path=PATH,
        body=json.dumps(BODY),
    )
    operator = f"RELAY_DATABASE_URL={shlex.quote(database_url)} RELAY_SECRET_KEY={secret_key}"
    return f"""
The relay serves   {relay_url}
Kling, the sandbox {sandbox_url}

With acme's API key:

{shlex.join(curl)}

Settings of a Kling SDK, for globex:

base URL    {relay_url}
access key  {globex.access_key}
secret key  {globex.secret_key}

The same in Python:

{snippet}
The operator's side, in another terminal:

export {operator}
relay task list
"""
