"""Settings: every one with its value, where it comes from and what it does; nothing is changed."""

import re
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from markupsafe import Markup

from relay.console.access import may
from relay.console.gate import ROOT
from relay.console.page import Page
from relay.desk.setting_row import ToldSetting
from relay.desk.told_settings import read_told

HERE = f"{ROOT}/settings"
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


class SettingsPage(Controller):
    path = HERE
    guards = (may("check.read"),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show how this process is set up; of secrets only that they are set."""
        rows = read_told(page.office.settings)
        return await page.render(
            "settings/settings.html", rows=[(row, _does(page, row.told)) for row in rows]
        )


def _does(page: Page, told: ToldSetting) -> Markup:
    """Spell what it does, without its links: they lead to files of the sources."""
    text = told.zh if page.language == "zh" else told.does
    return page.spell.coded(_LINK.sub(r"\1", text))
