"""The pins in pyproject.toml and the lock that a production install uses say the same."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "deploy" / "requirements.lock").read_text()


def pins() -> dict[str, str]:
    pins = PROJECT["tool"]["uv"]["constraint-dependencies"]
    return dict(pin.split("==") for pin in pins)


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", LOCK, flags=re.MULTILINE))


def test_every_locked_version_is_the_pinned_one() -> None:
    """What production installs is what was tested."""
    assert locked() == {name: pins().get(name) for name in locked()}


def test_every_runtime_dependency_is_locked() -> None:
    """No dependency of the project is missing from the lock."""
    names = {re.split(r"[\[>=;]", need)[0] for need in PROJECT["project"]["dependencies"]}

    assert names <= set(locked())


def test_pins_that_are_not_locked_are_tools_of_the_tests() -> None:
    """A pin outside the lock belongs to a group of tools: nothing of production is left loose."""
    groups = PROJECT["dependency-groups"].values()
    tools = {re.split(r"[\[>=]", need)[0] for group in groups for need in group}
    needed_by_tools = {"ast-serialize", "execnet", "iniconfig", "librt"}
    needed_by_tools |= {"mypy-extensions", "packaging", "pathspec", "pluggy"}
    needed_by_tools |= {"annotated-types", "jsonschema", "jsonschema-path", "lazy-object-proxy"}
    needed_by_tools |= {"jsonschema-specifications", "pathable"}
    needed_by_tools |= {"pydantic", "pydantic-core", "pydantic-settings", "python-dotenv"}
    needed_by_tools |= {"charset-normalizer", "importlib-resources", "regress", "requests"}
    needed_by_tools |= {"ruamel-yaml", "urllib3"}
    needed_by_tools |= {"blinker", "boto3", "botocore", "itsdangerous", "jmespath", "s3transfer"}
    needed_by_tools |= {"py-partiql-parser", "python-dateutil", "responses", "xmltodict"}
    needed_by_tools |= {"graphql-core", "harfile", "hypothesis", "hypothesis-graphql"}
    needed_by_tools |= {"jsonschema-rs", "pyrate-limiter", "sortedcontainers", "werkzeug"}
    needed_by_tools |= {"referencing", "rfc3339-validator", "rpds-py", "six", "typing-inspection"}

    assert set(pins()) - set(locked()) <= tools | needed_by_tools


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_a_lock_has_hashes_and_no_addresses(name: str) -> None:
    """Each package is held by hash, wherever it is downloaded from."""
    lock = (ROOT / "deploy" / name).read_text()
    packages = re.split(r"\n(?=\S)", lock.strip())

    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in lock


def test_the_image_is_built_by_what_is_pinned() -> None:
    """A build of an image and one of a clone have the same builder."""
    (pin,) = PROJECT["tool"]["uv"]["build-constraint-dependencies"]

    assert f"\n{pin} " in f"\n{(ROOT / 'deploy' / 'build.lock').read_text()}"
