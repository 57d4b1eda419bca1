from tests.cli.conftest import relay

__all__ = ["relay"]
