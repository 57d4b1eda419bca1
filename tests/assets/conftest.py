"""One relay that keeps results for a module; tests bring tenants of their own."""

from collections.abc import AsyncIterator

import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.assets.kling_files import FILES_URL, Keeper, open_keeper
from tests.clones import cloned


@pytest.fixture(scope="module")
async def keeper(
    postgres_server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Keeper]:
    folder = tmp_path_factory.mktemp("assets")
    async with (
        cloned(postgres_server, template) as url,
        open_keeper(url, folder, asset_url=FILES_URL, callback_allow="127.0.0.1") as opened,
    ):
        yield opened
