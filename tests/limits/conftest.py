"""After every test here that names `books` the audit must find nothing."""

from tests.ledger.conftest import books

__all__ = ["books"]
