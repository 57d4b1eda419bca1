"""A Dockerfile read as its builder reads it, as far as ours go."""

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    word: str
    """In upper case: RUN, COPY and so on."""
    rest: str
    """One line, however it was broken."""


def stages(file: Path) -> list[list[Instruction]]:
    """Read each stage's instructions, its FROM first; what stands before the first is left out."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    read = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    found: list[list[Instruction]] = []
    for word, rest in read:
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(word.upper(), rest))
    return found


def environment(stage: list[Instruction]) -> dict[str, str]:
    return dict(
        part.split("=", 1) for one in stage if one.word == "ENV" for part in one.rest.split()
    )


def command(stage: list[Instruction], word: str) -> list[str]:
    """Read the JSON list of words of an ENTRYPOINT, a CMD or a HEALTHCHECK."""
    (rest,) = [one.rest for one in stage if one.word == word]
    words: list[str] = json.loads(rest[rest.index("[") :])
    return words


def copied(stage: list[Instruction]) -> list[tuple[list[str], str]]:
    """List what is copied out of the repository, and where to."""
    rests = [shlex.split(one.rest) for one in stage if one.word == "COPY"]
    return [(words[:-1], words[-1]) for words in rests if not words[0].startswith("--from")]
