"""Pages say everything in each language, with the same holes in it."""

import re
from collections import Counter, defaultdict

from relay.html.words import LANGUAGES, choose, translations
from tests.html.told import told
from tests.html.words import Said, said, translated

HOLES = re.compile(r"%\((\w+)\)s|%\(num\)d|</?\w+")
OTHERS = [language for language in LANGUAGES if language != "en"]


def test_every_sentence_is_translated() -> None:
    """Each one of pages, and of what pages are told, is in a catalogue once; nothing else is.

    What pages are told stands in `told/`, and a word of theirs that means something else beside it.
    """
    pages, others = said(), told()

    for language in OTHERS:
        have = {True: Counter[Said](), False: Counter[Said]()}
        words: dict[Said, list[str]] = {}
        for file, message in translated(language):
            one = message.id if isinstance(message.id, str) else tuple(message.id)
            have[file.startswith("told/")][one] += 1
            words.setdefault(one, []).append(str(message.string))
        both = have[True] + have[False]
        assert {one: file for one, file in pages.items() if one not in both} == {}
        assert {one: file for one, file in others.items() if one not in have[True]} == {}
        assert set(have[False]) - set(pages) == set(), "no page says this any more"
        assert set(have[True]) - set(others) == set(), "nobody else says this any more"
        for counter in have.values():
            assert {one for one, times in counter.items() if times > 1} == set()
        assert {one for one, given in words.items() if len(given) != len(set(given))} == set()


def test_kling_is_called_as_its_own_chinese_documents_call_it() -> None:
    """可灵, in all that is Chinese; the relay's own name is another one."""
    said = [
        (file, str(message.string))
        for file, message in translated("zh")
        if re.search(r"Kling(?! Relay)", str(message.string))
    ]
    assert said == []


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
    assert choose(None, "fr, de", "zh") == "zh", "as the relay is set"
    assert choose(None, "fr, en", "zh") == choose("en", "zh", "zh") == "en"
    assert translations("zh").gettext("Tasks") == "任务"
