"""From each page below a list or a place of the menu one comes back to it by a link."""

import re

from relay.console.gate import SITE
from relay.portal.gate import TEMPLATES

PLACES = {
    *("home/home", "home/figures", "tasks/list", "tenants/list", "channels/list", "pauses/list"),
    *("deliveries/list", "alerts/list", "changes/list", "operators/list", "check/check"),
    *("settings/settings", "backup/backup", "logins/me", "done_before"),
}
"""Of the console: what its menu leads to, and what leads on by itself."""
PORTAL_PLACES = {
    *("home", "month", "tasks/list", "try/list", "usage/usage", "guide/guide", "files/list"),
    *("sent_before", "studio/home", "studio/off"),
}
WAY = re.compile(r'class="back"|logins/back|(?:tenants|prices|money)/(?:head|tabs)|own\.tabs')
"""A link above the title, or the tabs of a place."""


def test_each_page_below_another_has_a_way_back() -> None:
    """By its template, so that no page of a state that no story has is forgotten."""
    for folder, places in ((SITE.templates, PLACES), (TEMPLATES, PORTAL_PLACES)):
        without = {
            str(file.relative_to(folder)).removesuffix(".html")
            for file in folder.rglob("*.html")
            if '{% extends "base.html"' in (text := file.read_text()) and not WAY.search(text)
        }
        assert without == places


def test_a_way_back_is_no_part_of_a_drawer() -> None:
    """That one is closed; a link in it would leave the list behind it."""
    for folder in (SITE.templates, TEMPLATES):
        for file in folder.rglob("*.html"):
            before, article, _ = file.read_text().partition("<article")
            if article and 'class="close' in file.read_text():
                assert 'class="back"' in before, file
