"""What an operator may change of capabilities: the words around a tenant's."""

import tomllib
from pathlib import Path

import msgspec

from relay.studio.capabilities import Rules

OURS = Path(__file__).with_name("prompts.toml")
HOLE = "{prompt}"


class PromptsUnusable(ValueError):
    """A file of prompts cannot be used; the message says why."""


def read_rules(path: str | None) -> Rules:
    """Read the package's prompts, and over them an operator's.

    Raises:
        PromptsUnusable
    """
    prompts = {name: dict(texts) for name, texts in _read(OURS).items()}
    for name, texts in ({} if path is None else _read(Path(path))).items():
        known = prompts.get(name)
        if known is None:
            raise PromptsUnusable(f"{path}: nothing is called {name!r}: {', '.join(prompts)} are")
        for of, text in texts.items():
            if of not in known:
                raise PromptsUnusable(f"{path}: {name} has no text {of!r}: {', '.join(known)}")
            if HOLE not in text:
                raise PromptsUnusable(f"{path}: {name}.{of} has no {HOLE} for the tenant's words")
            known[of] = text
    return Rules(prompts)


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), dict[str, dict[str, str]])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PromptsUnusable(f"{path}: {error}") from error
