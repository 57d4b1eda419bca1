"""What the rest of the relay says in English, for whoever reads a page in another language.

A refusal, a finding or the reason of a state is the same sentence in an answer, in the output of a
command, in a row of a table and on a page, so it is a page that finds a sentence by its words:
`zh/told/` has each with its holes, as the code has it, and the code need not know of languages.
What is in no catalogue stays as it is, such as Kling's own words and names.
"""

# ruff: noqa: RUF001 (Chinese has commas of its own)

import re
from functools import lru_cache
from itertools import pairwise

import msgspec
from babel.messages.pofile import read_po

from relay.html.words import FOLDER

TOLD = "told"
"""The folder, in a language's, of what others than pages say."""
HOLE = re.compile(r"%\((\d+)\)s")
TAILS = (" ", ",", ";")
CHARS_MAX = 600
"""Of what is looked for: longer is no sentence of ours."""
LOOKUPS_MAX = 50
"""Of texts within one: words of Kling's and of tenants may look like any number of sentences."""
LETTER = re.compile("[A-Za-z]")
AMOUNT = re.compile(r"-?[0-9][0-9.,]* \S+")
"""Of a currency, whose letters are no words."""
LETTERS_MIN = 8
STOPS = {"; ": "；", ": ": "："}
SPACED_HOLE = re.compile(r"( ?)%\((\d+)\)s( ?)")
WIDE = re.compile("[\u3001-\u9fff\uff00-\uffef]")
END = {"zh": "。"}
ENDS = (".", "?", "!", "。", "？", "！")


class Heard(msgspec.Struct, frozen=True):
    """A sentence with holes, and what it is in the language."""

    parts: tuple[str, ...]
    """What stands around its holes, in order."""
    holes: tuple[str, ...]
    translated: str

    @property
    def weight(self) -> int:
        return sum(map(len, self.parts))

    @property
    def of_names(self) -> list[tuple[str, bool]]:
        """Tell of each hole whether one word in it is a name, and no word of ours."""
        around = pairwise(self.parts)
        return [
            (hole, before.endswith("'") or (not before and after.startswith(": ")))
            for hole, (before, after) in zip(self.holes, around, strict=True)
        ]

    @property
    def is_weak(self) -> bool:
        """Tell whether words of others may look like it: it says little, and behind a hole.

        What stands behind a name and a colon is said of the name.
        """
        begins_holed = not self.parts[0] and not self.parts[1].startswith(": ")
        return begins_holed and len(LETTER.findall("".join(self.parts))) < LETTERS_MIN

    def fit(self, text: str) -> dict[str, str] | None:
        """Find what stands in the holes; each takes as little as may be, but for the last.

        In one pass: texts have words of tenants in them, who may make them as hard as they can.
        """
        first, last = self.parts[0], self.parts[-1]
        end = len(text) - len(last)
        if end < len(first) or not (text.startswith(first) and text.endswith(last)):
            return {} if not self.holes and text == first else None
        marks = [(0, len(first))]
        for part in self.parts[1:-1]:
            at = text.find(part, marks[-1][1], end)
            if at < 0:
                return None
            marks.append((at, at + len(part)))
        marks.append((end, len(text)))
        filled = [text[before[1] : after[0]] for before, after in pairwise(marks)]
        return dict(zip(self.holes, filled, strict=True))

    def fill(self, values: dict[str, str]) -> str:
        """Say the translation, with these in its holes."""
        return SPACED_HOLE.sub(lambda found: _placed(found, values[found[2]]), self.translated)


def _placed(found: re.Match[str], value: str) -> str:
    """Leave out the spaces around what is of the language too, which has none within a sentence."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    left = "" if WIDE.match(before) and WIDE.match(value[:1]) else found[1]
    right = "" if WIDE.match(after) and WIDE.match(value[-1:]) else found[3]
    return f"{left}{value}{right}"


class Catalogue(msgspec.Struct, frozen=True):
    whole: dict[str, str]
    """Sentences without holes."""
    holed: list[Heard]
    """The others, those first that have most words of their own."""
    tails: list[Heard]
    """What may stand at the end of others, behind a comma, a space or the like; as `holed`."""


@lru_cache
def catalogue(language: str) -> Catalogue:
    whole: dict[str, str] = {}
    holed, tails = [], []
    for file in sorted((FOLDER / language / TOLD).glob("*.po")):
        with file.open("rb") as opened:
            found = read_po(opened, locale=language, abort_invalid=True)
        for message in found:
            if not message.id:
                continue
            one = _read(str(message.id), str(message.string))
            if one.parts[0].startswith(TAILS):
                tails.append(one)
            one = _read(str(message.id).strip(), str(message.string).strip())
            if one.holes:
                holed.append(one)
            else:
                whole[one.parts[0]] = one.translated
    return Catalogue(
        whole,
        sorted(holed, key=lambda one: -one.weight),
        sorted(tails, key=lambda one: -one.weight),
    )


def _read(said: str, translated: str) -> Heard:
    parts = HOLE.split(said)
    around = tuple(part.replace("%%", "%") for part in parts[::2])
    return Heard(around, tuple(parts[1::2]), translated.replace("%%", "%"))


@lru_cache(maxsize=2000)
def hear(language: str, text: str) -> str:
    """Say in a language what the relay said in English; what is not known is given back."""
    if language == "en" or len(text) > CHARS_MAX:
        return text
    return _Ear(catalogue(language)).hear(text) or text


def sentence(language: str, text: str) -> str:
    """Make a whole sentence of what was said in the middle of one."""
    heard = hear(language, text)
    if heard != text:
        return heard if heard.endswith(ENDS) else f"{heard}{END.get(language, ENDS[0])}"
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(ENDS) else ENDS[0]}"


class _Ear:
    """Listens to one text, for not too long: texts have words of tenants in them."""

    def __init__(self, known: Catalogue) -> None:
        self._known = known
        self._left = LOOKUPS_MAX

    def hear(self, text: str) -> str | None:
        """Translate it, or None."""
        said = text.strip()
        if said in self._known.whole:
            return self._known.whole[said]
        self._left -= 1
        if not said or self._left < 0:
            return None
        return (
            self._hear_list(said)
            or self._hear_sentence(said)
            or self._hear_tail(said)
            or self._hear_two(said)
        )

    def _hear_sentence(self, said: str) -> str | None:
        """Translate a sentence, and what stands in its holes, which may be sentences too."""
        for one in self._known.holed:
            found = one.fit(said)
            if found is None:
                continue
            heard = {
                hole: None if is_name and " " not in found[hole] else self.hear(found[hole])
                for hole, is_name in one.of_names
            }
            first = one.holes[0]
            has_words = LETTER.search(found[first]) and not AMOUNT.fullmatch(found[first])
            if one.is_weak and has_words and heard[first] is None:
                continue
            return one.fill({hole: heard[hole] or found[hole] for hole in found})
        return None

    def _hear_tail(self, said: str) -> str | None:
        """Translate what was added to a sentence, and the sentence."""
        for one in self._known.tails:
            at = said.find(one.parts[0])
            found = one.fit(said[at:]) if at > 0 else None
            if found is not None:
                filled = {hole: self.hear(value) or value for hole, value in found.items()}
                return (self.hear(said[:at]) or said[:at]) + one.fill(filled)
        return None

    def _hear_list(self, said: str) -> str | None:
        """Translate several in a row, if all are known: names have commas between them too."""
        parts = said.split(", ")
        heard = [self.hear(part) for part in parts] if len(parts) > 1 else [None]
        return "，".join(map(str, heard)) if all(heard) else None

    def _hear_two(self, said: str) -> str | None:
        """Translate two sentences, or what is said of a name, if either is known.

        One word is a name, also where it is a word of ours.
        """
        for stop, other in STOPS.items():
            first, found, rest = said.partition(stop)
            if found:
                heard = [self.hear(part) if " " in part else None for part in (first, rest)]
                if any(heard):
                    return f"{heard[0] or first}{other}{heard[1] or rest}"
        return None
