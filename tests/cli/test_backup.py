"""`relay backup`, as an operator types it."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from relay.backups.take import name_of
from relay.secrets import new_secret_key
from tests.backups.test_sealed_file import header, sealed
from tests.cli.command import Command, execute

NOWHERE = "http://127.0.0.1:1"
MEMORY = Path("/dev/shm")
KILLED = """#!/bin/sh
[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 18.1" && exit
echo "-- the first half"
echo "pg_dump: error: server closed the connection" >&2
exit 1
"""


@pytest.fixture
def business(relay: Command) -> Command:
    relay("tenant", "add", "acme", "--quota", "1")
    relay("token", "add", "acme")
    relay("channel", "add", "main", "--key", "A|S", "--base-url", NOWHERE, "--no-check")
    return relay


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[str]:
    """Where a server for a moment starts quickly, and leaves nothing."""
    folder = (MEMORY if os.access(MEMORY, os.W_OK) else tmp_path) / f"scratch-{uuid4().hex}"
    folder.mkdir(mode=0o711)
    yield str(folder)
    folder.rmdir()


def test_a_backup_is_made_listed_and_tried(business: Command, tmp_path: Path, scratch: str) -> None:
    """Of a configured database: nothing of it is to be read without the key; and a wrong book is
    found in it, though it could be restored."""
    made = business("backup", "--to", f"{tmp_path}/")
    (file,) = tmp_path.iterdir()
    tried = business("backup", "verify", str(tmp_path), "--scratch", scratch)
    changes = business.json("changes", "list")
    execute(business, "UPDATE accounts SET quota_micros = quota_micros + 1")
    wrong = business.json("backup", "--to", f"{tmp_path}/wrong.backup")["place"]
    found = business("backup", "verify", wrong, "--scratch", scratch, code=1)
    listed = business.json("backup", "list", str(tmp_path))["backups"]

    assert file.name in made.stdout
    assert "sealed with the secret key 'k1', which is not in it" in made.stderr
    assert b"acme" not in file.read_bytes()
    assert b"COPY" not in file.read_bytes()
    assert "It can be restored, and its books are right: 1 accounts, 0 tasks" in tried.stdout
    assert "its books are wrong: 2 differences" in found.stderr
    assert "account of tenant acme has 1000001, and should have 1000000" in found.stdout
    assert [one["name"] for one in listed] == ["wrong.backup", file.name]
    assert changes[0]["act"] == "backup.take"


def test_older_ones_are_deleted_by_hand_too(business: Command, tmp_path: Path) -> None:
    """`--keep 1`: of this database's; it is for a folder alone."""
    named = str(tmp_path / "named.backup")
    deployment = business.json("backup", "--to", named)["deployment"]
    of = msgspec.structs.replace(header(), deployment=deployment)
    older = tmp_path / name_of(of)
    older.write_bytes(asyncio.run(sealed(b"", of)))

    made = business.json("backup", "--to", f"{tmp_path}/", "--keep", "1")

    assert made["deleted"] == [str(older)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [made["name"], "named.backup"]
    assert (
        "--keep is for a folder" in business("backup", "--to", named, "--keep", "1", code=2).stderr
    )


def test_what_cannot_be_used_is_a_sentence(business: Command, tmp_path: Path) -> None:
    """Another key, no key, half a file, no file; and none of it starts a server."""
    file = business.json("backup", "--to", f"{tmp_path}/one.backup")["place"]
    half = tmp_path / "half.backup"
    half.write_bytes(Path(file).read_bytes()[:99])
    another = {"RELAY_SECRET_KEY": new_secret_key()}
    assert "No such file" in business.refused("backup", "verify", str(tmp_path / "none"))
    assert "is no backup of a relay" in business.refused("backup", "verify", "/etc/passwd")
    assert "its header is not whole" in business.refused("backup", "verify", str(half))
    assert "Say where, or set RELAY_BACKUP_TO" in business("backup", code=2).stderr
    assert "neither a file nor s3://" in business.refused("backup", "--to", "ftp://x/")
    refused = business.refused("backup", "--to", f"{tmp_path}/", code=2, **another)
    assert "is not the one that sealed" in refused
    refused = business.refused(
        *("backup", "verify", file), code=2, RELAY_SECRET_KEY=None, RELAY_DATA_DIR=str(tmp_path)
    )
    assert "RELAY_SECRET_KEY is missing" in refused
    assert not (tmp_path / "secret.key").exists()


def test_a_dump_that_fails_leaves_nothing(business: Command, tmp_path: Path) -> None:
    """A pg_dump on the path that dies half-way: its words are told, and no file has the name."""
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(KILLED)
    program.chmod(0o755)
    out = tmp_path / "out"
    out.mkdir()

    said = business.refused(
        *("backup", "--to", f"{out}/"), PATH=f"{program.parent}:{os.environ['PATH']}"
    )

    assert "pg_dump failed: error: server closed the connection" in said
    assert list(out.iterdir()) == []
    assert all(one["act"] != "backup.take" for one in business.json("changes", "list"))


def test_an_older_schema_is_copied_and_restored_as_this_one(
    relay: Command, tmp_path: Path, scratch: str
) -> None:
    """Before `relay migrate` too; what restores it migrates it in the same transaction, from the
    first revision on."""
    relay("migrate", "--revision", "0101")
    made = relay("backup", "--to", f"{tmp_path}/old.backup")
    tried = relay("backup", "verify", f"{tmp_path}/old.backup", "--scratch", scratch)

    assert "of an older relay (revision 0101): it is not noted there" in made.stderr
    assert "is brought to this version's" in tried.stdout
    assert json.loads(relay("migrate", "--json").stdout)["from"] == "0101", "it was only read"
