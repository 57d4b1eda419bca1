"""The example for nginx, run by a real one before a server that does what a test asks of it."""

import asyncio
import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.errors import TimedOut, Unavailable
from tests.e2e.raw import connected, post
from tests.waiting import PATIENCE_S, wait_until

NGINX = shutil.which("nginx") or ""
EXAMPLE = (Path(__file__).parents[2] / "deploy" / "nginx.conf.example").read_text()
PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
RELAYS_OWN = b'{"code":5001,"message":"of the relay"}'
KLINGS_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LIMIT = "limit_conn relay_clients 200;"

pytestmark = pytest.mark.skipif(not NGINX, reason="there is no nginx here")


class Upstream:
    """In the relay's place: `/die` is hung up on, `/wait` never answered, all else is 503."""

    def __init__(self) -> None:
        self.waiting = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /die"):
                return
            if b"wait" in head.partition(b"\r\n")[0]:
                self.waiting += 1
                await reader.read()  # until nginx hangs up
                self.waiting -= 1
                return
            size = b"%d" % len(RELAYS_OWN)
            writer.write(
                b"HTTP/1.1 503 Service Unavailable\r\nX-Request-Id: relays\r\n"
                b"Content-Type: application/json\r\nContent-Length: " + size + b"\r\n\r\n"
            )
            writer.write(RELAYS_OWN)
            await writer.drain()


def configured(directory: Path, *, port: int, upstream_port: int) -> str:
    """The example, without TLS and its port 80, with its files here and two bounds shortened."""
    _, redirect, server = EXAMPLE.split("server {\n    listen")
    config = EXAMPLE.replace(f"server {{\n    listen{redirect}", "")
    config = config.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    config = re.sub(r"^\s+ssl_.*$", "", config, flags=re.MULTILINE)
    config = config.replace("127.0.0.1:8700;", f"127.0.0.1:{upstream_port};")
    config = config.replace("/var/log/nginx", str(directory))
    config = config.replace("proxy_read_timeout    100s;", "proxy_read_timeout 1s;")
    assert LIMIT in server
    config = config.replace(LIMIT, "limit_conn relay_clients 2;")
    places = "".join(f"{name}_temp_path {directory}/{name};\n" for name in PATHS)
    return (
        f"daemon off; master_process off; pid {directory}/pid; error_log {directory}/log crit;\n"
        f"events {{}}\nhttp {{\n{places}{config}}}\n"
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[Upstream, httpx.AsyncClient]]:
    upstream, port = Upstream(), free_port()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    config = directory / "nginx.conf"
    upstream_port = server.sockets[0].getsockname()[1]
    config.write_text(configured(directory, port=port, upstream_port=upstream_port))
    process = await asyncio.create_subprocess_exec(NGINX, "-c", config, "-p", directory)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, trust_env=False
        ) as http:

            async def listens() -> bool:
                with contextlib.suppress(httpx.ConnectError):
                    return bool(await http.get("/"))
                return False

            await wait_until(listens)
            yield upstream, http
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE_S)
        server.close()


def told(answer: httpx.Response) -> tuple[int, int, str]:
    """Status, code and message of a refusal that looks like Kling's."""
    body = answer.json()
    assert set(body) == {"code", "message", "request_id"}
    assert KLINGS_ID.fullmatch(body["request_id"])
    assert answer.headers.get_list("x-request-id") == [body["request_id"]]
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, body["code"], body["message"]


async def test_nginx_refuses_in_klings_envelope(tmp_path: Path) -> None:
    """Too large, no relay, no answer, too many at once, no HTTP; the relay's own passes."""
    unavailable, timed_out = str(Unavailable()), str(TimedOut())
    async with running(tmp_path) as (upstream, http):
        own = await http.get("/v1/videos/text2video")
        async with connected(http.base_url.port or 0) as client:
            await client.send(post("/v1/videos/text2video", bearer="x", length=110_000_000))
            large = await client.answer()
        dead = await http.get("/die")
        late = await http.get("/wait")
        odd = await http.get("/", headers={"A": "a" * 40_000})

        held = [asyncio.create_task(http.get("/wait")) for _ in range(2)]
        await wait_until(lambda: upstream.waiting == 2)
        crowded = await http.get("/")
        callback = await http.post("/a/internal/callback/x", content=b"{}")
        await asyncio.gather(*held)

    assert (own.status_code, own.content) == (503, RELAYS_OWN)
    assert own.headers.get_list("x-request-id") == ["relays"]
    too_large = "The request body is larger than 100 MB"
    assert (large.status, large.body["code"], large.body["message"]) == (413, 1200, too_large)
    assert told(dead) == (502, 5001, unavailable)
    assert told(late) == (504, 5002, timed_out)
    assert told(odd) == (400, 1200, "Invalid HTTP request")
    assert told(crowded) == (503, 5001, unavailable)
    assert callback.content == RELAYS_OWN, "Kling's callbacks come from few addresses"
    log = (tmp_path / "relay.access.log").read_text()
    assert "/a/internal/callback/***" in log


def test_nginx_takes_the_whole_example(tmp_path: Path) -> None:
    """`nginx -t`: its port 80, TLS and a certificate too, on ports of our own."""
    key, chain = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    write_certificate(key, chain)
    config = EXAMPLE.replace("/etc/letsencrypt/live/relay.example.com", str(tmp_path))
    config = config.replace("/var/log/nginx", str(tmp_path))
    config = config.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    config = config.replace("listen 443 ssl;", f"listen 127.0.0.1:{free_port()} ssl;")
    places = "".join(f"{name}_temp_path {tmp_path}/{name};\n" for name in PATHS)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr;\nevents {{}}\nhttp {{\n{places}{config}}}\n"
    )

    done = subprocess.run(
        [NGINX, "-t", "-q", "-c", tmp_path / "nginx.conf", "-p", tmp_path],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
    assert config.count("127.0.0.1:") == EXAMPLE.count("127.0.0.1:") + 2


def write_certificate(key_file: Path, file: Path) -> None:
    """Make one that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.example.com")])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
