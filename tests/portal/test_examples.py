"""The examples of the docs, run as they stand against a relay on a socket."""

import asyncio
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from relay.deliveries.signature import sign
from relay.kling.codes import RESELLERS_BUSINESS, Code
from relay.portal.code import as_code
from relay.portal.examples import BASE_URL, text_of
from relay.portal.trying import spelt
from relay.secrets import KeyRing, new_secret_key
from tests.clients.test_tenants_page import OWN, SECRETS
from tests.portal.visiting import visiting
from tests.relay_app import CLIP, PUBLIC_URL, Relay, fixture_relay

NODE, CURL = shutil.which("node"), shutil.which("curl")
TYPES = re.compile(r": (string|Buffer|boolean|Record<string, string>)(?=[,)= ])")
"""What a TypeScript of the examples has that JavaScript has not."""
PATIENCE_S = 60


@asynccontextmanager
async def serving(relay: Relay) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    app: Any = relay.app
    config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve([listener]))  # noqa: SLF001
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        listener.close()


async def run(*command: str, **environment: str) -> str:
    """Run a program to its end, and return what it printed."""
    started = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, wrong = await started.communicate()
    assert started.returncode == 0, wrong.decode()
    return out.decode()


def written(folder: Path, name: str, text: str, origin: str = "") -> str:
    """Write an example into a file, with an address in place of the example's."""
    file = folder / name
    file.write_text(text.replace(BASE_URL, f"{origin}/kling"))
    return str(file)


@pytest.mark.parametrize("language", ["python", "sdk", "typescript", "curl", "n8n"])
async def test_an_example_makes_a_video(database_url: str, tmp_path: Path, language: str) -> None:
    """Each with the keys that it names, to the end that it waits for; the video is charged once."""
    async with fixture_relay(database_url, portal=True) as relay, serving(relay) as origin:
        await relay.add_channel()
        token = await relay.add_tenant()
        keys = {
            "KLING_API_KEY": token.api_key,
            "KLING_ACCESS_KEY": token.access_key,
            "KLING_SECRET_KEY": token.secret_key,
        }
        match language:
            case "python":
                file = written(tmp_path, "a.py", text_of("create", "python"), origin)
                told = await run(sys.executable, file, **keys)
                assert told.startswith("http")
            case "sdk":
                file = written(tmp_path, "kling.py", text_of("sdk", "python"), origin)
                assert "succeed http" in await run(sys.executable, file, **keys)
            case "typescript":
                if NODE is None:
                    pytest.skip("there is no node on this machine")
                file = written(tmp_path, "a.mjs", text_of("create", "typescript"), origin)
                assert "succeed http" in await run(NODE, file, **keys)
            case "curl":
                if CURL is None:
                    pytest.skip("there is no curl on this machine")
                await curl(tmp_path, origin, keys)
            case _:
                await n8n(origin, token.api_key)
        charged = await relay.rows("SELECT state FROM tasks")
        assert [row["state"] for row in charged] == ["succeed"]


ODD = """it's "quoted" \\ and ${KLING_API_KEY} `it`, \'\'\' in\ntwo lines: 狐狸 …"""


async def test_the_code_of_a_try_asks_for_what_was_typed(database_url: str, tmp_path: Path) -> None:
    """In each language, whatever stands in the prompt, Kling gets the same body."""
    body = CLIP | {"prompt": ODD}
    async with fixture_relay(database_url, portal=True) as relay, serving(relay) as origin:
        await relay.add_channel()
        key = {"KLING_API_KEY": (await relay.add_tenant()).api_key}
        code = as_code(f"{origin}/kling", "/v1/videos/text2video", spelt(body))
        for name, program, text in (
            ("a.py", sys.executable, code["Python"]),
            ("a.sh", CURL and "sh", code["curl"]),
            ("a.mjs", NODE, code["TypeScript"]),
        ):
            if program is not None:
                told = await run(program, written(tmp_path, name, text), **key)
                assert "SUCCEED" in told, told
        assert relay.sandbox is not None
        heard = [str(one["body"]) for one in relay.sandbox.requests.entries]

    bodies = [json.loads(one) for one in heard if "prompt" in one]
    made = [{name: one[name] for name in body} for one in bodies]
    assert made == [body] * (1 + (CURL is not None) + (NODE is not None))


async def curl(folder: Path, origin: str, keys: dict[str, str]) -> None:
    """Create twice, as one who retries, and ask until it has ended."""
    create, ask = text_of("create", "curl").split("\n\n")
    file = written(folder, "create.sh", create, origin)
    first, made = [json.loads(await run("sh", file, **keys)) for _ in range(2)]
    assert first["data"]["task_id"] == made["data"]["task_id"]
    file, status = written(folder, "ask.sh", ask, origin), ""
    async with asyncio.timeout(PATIENCE_S):
        while status != "succeed":
            told = json.loads(await run("sh", file, TASK_ID=made["data"]["task_id"], **keys))
            status = told["data"]["task_status"]


async def n8n(origin: str, api_key: str) -> None:
    """Do what its two nodes that ask something say; the rest is for n8n itself."""
    flow = json.loads(text_of("create", "n8n").replace(BASE_URL, f"{origin}/kling"))
    nodes = {node["name"]: node for node in flow["nodes"]}
    links = {name: one["main"] for name, one in flow["connections"].items()}
    assert {one["node"] for main in links.values() for way in main for one in way} <= set(nodes)
    create, look = nodes["Create"]["parameters"], nodes["Look"]["parameters"]
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE_S) as client:
        made = await client.post(create["url"], json=json.loads(create["jsonBody"]))
        task_id = made.json()["data"]["task_id"]
        url = re.sub(r"\{\{.*?task_id \}\}", task_id, look["url"]).removeprefix("=")
        async with asyncio.timeout(PATIENCE_S):
            while (await client.get(url)).json()["data"]["task_status"] != "succeed":
                continue


async def test_the_check_of_a_signature_takes_what_the_relay_signs(tmp_path: Path) -> None:
    """By one secret and by two; another body, id, secret or time is refused, in both languages."""
    body, now = b'{"task_id":"1","task_status":"succeed"}', datetime.now(UTC)
    headers = sign(SECRETS, webhook_id="msg_1", at=now, body=body)
    old = sign(SECRETS, webhook_id="msg_1", at=now - timedelta(seconds=400), body=body)
    cases = [
        (SECRETS[0], headers, body, True),
        (SECRETS[1], headers, body, True),
        (SECRETS[0], headers, body + b" ", False),
        (SECRETS[0], {**headers, "webhook-id": "msg_2"}, body, False),
        (SECRETS[0], old, body, False),
        ("whsec_" + "A" * 44, headers, body, False),
    ]
    names: dict[str, Any] = {}
    exec(text_of("verify", "python"), names)
    assert [names["is_genuine"](*case[:3]) for case in cases] == [case[3] for case in cases]
    if NODE is None:
        pytest.skip("there is no node on this machine")
    given = json.dumps([(secret, sent, text.decode()) for secret, sent, text, _ in cases])
    asks = f"for (const [s, h, b] of {given}) console.log(isGenuine(s, h, Buffer.from(b)));"
    check = TYPES.sub("", text_of("verify", "typescript"))
    told = await run(NODE, written(tmp_path, "a.mjs", f"{check}\n{asks}\n"))
    assert told.split() == [str(case[3]).lower() for case in cases]


async def test_docs_have_the_readers_address_and_every_code(database_url: str) -> None:
    """The address that is set, else the page's own; each code that a tenant can see, and more."""
    page, keys = "", KeyRing.parse(new_secret_key())
    for is_set, own in ((False, "http://localhost"), (True, PUBLIC_URL)):
        options = {"portal": True, "with_callbacks": is_set}
        async with fixture_relay(database_url, keys=keys, **options) as relay:
            if not is_set:
                await relay.add_tenant()
            async with visiting(relay) as ann:
                page = await ann.read("/docs")
                assert BASE_URL not in page
                assert page.count(f"{own}/kling") > 8
                document = json.loads((await ann.get("/docs/openapi.json")).content)
                assert "/v1/videos/text2video" in json.dumps(list(document["paths"]))
                chinese = {"accept-language": "zh"}
                assert "如何调用" in (await ann.client.get("/portal/docs", headers=chinese)).text
    rows = re.findall(
        r'<td data-label="HTTP">(\d{3})</td><td data-label="Error code"><code>(\d+)</code>', page
    )
    seen = {code for code in Code if code and (code not in RESELLERS_BUSINESS or code in OWN)}
    expected = {int(code): code.http_status for code in seen | {Code.NO_PERMISSION}}
    assert {int(code): int(status) for status, code in rows} == expected
