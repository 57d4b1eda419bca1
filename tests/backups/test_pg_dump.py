"""Which pg_dump is taken, and how it learns where the database is."""

import pytest

from relay.backups.pg_dump import DumpFailed, environment_of, find_program

URL = "postgresql://re%20lay:p%40ss@a,b:5433/books?sslmode=verify-full&sslrootcert=/ca.pem&search_path=x"


async def test_without_a_fitting_program_it_is_said_what_to_install() -> None:
    """The server's version, what was found, and the package; an older pg_dump is never taken."""
    with pytest.raises(DumpFailed) as refused:
        await find_program(99, is_over_tls=False)
    with pytest.raises(DumpFailed, match="of 99 or newer and speaks TLS"):
        await find_program(99, is_over_tls=True)

    assert "the server is PostgreSQL 99, and here is no pg_dump of 99 or newer" in str(
        refused.value
    )
    assert "pginstall18/bin/pg_dump (18)" in str(refused.value)
    assert "install postgresql-client-99" in str(refused.value)
    assert (await find_program(16, is_over_tls=False)).major == 16, "the nearest one"


def test_a_url_is_told_by_variables() -> None:
    """With all that it says; nothing else of ours that is secret reaches the program."""
    ours = {"PATH": "/bin", "RELAY_SECRET_KEY": "k1:x", "AWS_SECRET_ACCESS_KEY": "y"}

    told = dict(environment_of(URL, ours, is_over_tls=True))

    assert told == {
        "PATH": "/bin",
        "PGHOST": "a,b",
        "PGPORT": "5432,5433",
        "PGUSER": "re lay",
        "PGPASSWORD": "p@ss",
        "PGDATABASE": "books",
        "PGCONNECT_TIMEOUT": "10",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca.pem",
        "PGTARGETSESSIONATTRS": "primary",
        "PGOPTIONS": "-c search_path=x",
    }


@pytest.mark.parametrize(
    ("asked", "is_over_tls", "mode"),
    [("", True, "require"), ("?sslmode=prefer", True, "require"), ("", False, None)],
)
def test_what_came_over_tls_leaves_over_tls(
    asked: str, *, is_over_tls: bool, mode: str | None
) -> None:
    """A pg_dump that would go on in plain text must not; where we have none, it need not either."""
    told = dict(environment_of(f"postgresql://u@h/db{asked}", {}, is_over_tls=is_over_tls))

    assert told.get("PGSSLMODE") == mode
