"""Templates from their files: the package's, and an operator's folder before them."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from relay.kling.catalogue import Catalogue
from relay.runs.templates.check import NAME, WrongTemplate, check_written
from relay.runs.templates.template import Template, Written

OURS = Path(__file__).parent
BYTES_MAX = 256 * 1024


class Templates(msgspec.Struct, frozen=True):
    """All that can be run here."""

    by_name: dict[str, Template]
    left_out: tuple[str, ...] = ()
    """What is wrong with files of the operator's, each with the file and the place in it."""

    def named(self, name: str) -> Template | None:
        return self.by_name.get(name)


def read_templates(folder: str | None, catalogue: Catalogue) -> Templates:
    """Read the package's templates, and over them an operator's; of the latter, what is usable.

    Raises:
        WrongTemplate: one of the package's is wrong, or the folder cannot be read.
    """
    ours = [read_template(path, catalogue, is_ours=True) for path in _files(OURS)]
    found = {one.name: one for one in ours}
    left_out = []
    for path in [] if folder is None else _files(Path(folder)):
        try:
            one = read_template(path, catalogue)
        except WrongTemplate as error:
            left_out.append(str(error))
        else:
            found[one.name] = one
    return Templates(dict(sorted(found.items())), tuple(left_out))


def read_template(path: Path, catalogue: Catalogue, *, is_ours: bool = False) -> Template:
    """Read one file.

    Raises:
        WrongTemplate: it says the file, and the line or the field.
    """
    try:
        written = msgspec.convert(tomllib.loads(_content(path)), Written)
        check_written(written, catalogue)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, WrongTemplate) as error:
        raise WrongTemplate(f"{path}: {error}") from error
    except msgspec.ValidationError as error:
        raise WrongTemplate(f"{path}: {_spelt(error)}") from error
    return Template(path.stem, written, is_ours)


def _content(path: Path) -> str:
    if not NAME.fullmatch(path.stem) or "_" in path.stem:
        raise WrongTemplate("the file's name is the template's: a-z, 0-9, and - between them")
    content = path.read_bytes()
    if len(content) > BYTES_MAX:
        raise WrongTemplate(f"it has more than {BYTES_MAX} bytes")
    return content.decode()


def _files(folder: Path) -> Iterable[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        raise WrongTemplate(f"{folder}: {error}") from error


def _spelt(error: msgspec.ValidationError) -> str:
    """Put the place first: msgspec says it last, as `… - at `$.steps[1].when``."""
    said, _, place = str(error).partition(" - at `$")
    place = place.strip("`.")
    said = said[:1].lower() + said[1:]
    return f"{place}: {said}" if place else said
