"""Pages say everything in each language, with the same holes in it."""

import re
from collections import Counter, defaultdict

from relay.html.words import LANGUAGES, choose, translations
from tests.html.words import said, translated

HOLES = re.compile(r"%\((\w+)\)s|%\(num\)d|</?\w+")
OTHERS = [language for language in LANGUAGES if language != "en"]


def test_every_sentence_is_translated() -> None:
    """Each one of templates and code is in a catalogue once, and nothing else is."""
    wanted = said()

    for language in OTHERS:
        have = Counter(message.id for _, message in translated(language))
        assert {one: file for one, file in wanted.items() if one not in have} == {}
        assert set(have) - set(wanted) == set(), "nobody says this any more"
        assert {one for one, times in have.items() if times > 1} == set()


def test_translations_have_the_same_holes() -> None:
    """What is filled in, and what is marked up, is the same in each; none is empty or a guess."""
    for language in OTHERS:
        for file, message in translated(language):
            one = [message.id] if isinstance(message.id, str) else list(message.id)
            given = message.string or ""
            other = [given] if isinstance(given, str) else list(given)
            assert all(other), (file, message.id)
            assert not message.fuzzy, (file, message.id)
            for string in other:
                assert Counter(HOLES.findall(string)) == Counter(HOLES.findall(one[-1])), string
                assert string % defaultdict(str), "a percent sign of its own is two"


def test_a_language_is_chosen_as_a_browser_asks() -> None:
    """What was chosen here goes first, then the browser's list by weight, then English."""
    cases = {
        (None, ""): "en",
        ("zh", "en"): "zh",
        ("xx", "zh-CN,en;q=0.5"): "zh",
        (None, "fr, zh-TW;q=0.4, en;q=0.8"): "en",
        (None, "de;q=x, zh"): "zh",
    }

    assert {asked: choose(*asked) for asked in cases} == cases
    assert translations("zh").gettext("Tasks") == "任务"
