"""One daemon for all journeys of a module, and everybody who works with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.console.chromium import chromium
from tests.console.journeys.install import installed
from tests.console.journeys.people import Office, open_office


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    folder = tmp_path_factory.mktemp("journeys")
    async with chromium() as opened, installed(folder) as install:
        made = Office(install, opened)
        await open_office(made)
        yield made
