"""Where the embedded server lives, and as whom it runs.

    <data_dir>/postgres/    the locks and the log, always
        cluster/            PostgreSQL's data
        socket/             the unix socket, or in /tmp if the path is too long for one
        binaries-*/         only as root: a copy that the unprivileged user can reach

As root, where the unprivileged user cannot enter data_dir (below /root, say), `cluster`, `socket`
and `binaries-*` lie in /var/lib/kling-relay/elsewhere/<random>/ instead, and the file
`<data_dir>/postgres/location` names that directory. Deleting data_dir therefore leaves them
behind; the file `belongs-to` in it says whose it was. The name is random and not derived from
data_dir, so that a new data_dir of the same name does not find the data of the old one, whose
secret key is gone.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from relay.database.embedded.errors import EmbeddedPostgresError

if sys.platform != "win32":
    import pwd

SYSTEM_DIR = Path("/var/lib/kling-relay")
LOG_NAME = "server.log"
PORT = 5432
# A socket's path has 107 bytes on Linux, 103 on macOS. Other characters would need quoting,
# differently in PostgreSQL's settings and in each client's URLs.
SAFE_SOCKET_DIR = re.compile(r"[A-Za-z0-9/._-]{1,85}")


@dataclass(frozen=True)
class Account:
    """The unprivileged user that PostgreSQL runs as, since it refuses to run as root."""

    uid: int
    gid: int


OWN_USER = "kling-relay-db"
"""Runs PostgreSQL where we are root. The system's `postgres` would give a PostgreSQL of the
system's, and whoever is let in there, our data."""
USERADD_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
USERADD_MAX_S = 30.0


@dataclass(frozen=True)
class Place:
    home: Path
    """Holds the cluster; `account`, if any, can traverse it."""
    account: Account | None
    """None: PostgreSQL runs as the user we are."""

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def user_name(self) -> str:
        """Name the user that PostgreSQL runs as; initdb refuses one without a name."""
        uid = os.geteuid() if self.account is None else self.account.uid
        return pwd.getpwuid(uid).pw_name


def default_data_dir() -> Path:
    if sys.platform != "win32" and os.geteuid() == 0:
        return SYSTEM_DIR
    xdg = os.environ.get("XDG_DATA_HOME", "")
    base = Path(xdg) if xdg.startswith("/") else Path.home() / ".local" / "share"
    return base / "kling-relay"


def own_directory(data_dir: Path) -> Path:
    """Create `<data_dir>/postgres`, and data_dir if it is missing; others may at most traverse."""
    _create(data_dir)
    home = data_dir.resolve() / "postgres"
    _create(home)
    return home


def is_made(data_dir: Path) -> bool:
    """Tell whether there is a cluster already; one that lies elsewhere too."""
    home = data_dir / "postgres"
    return (home / "cluster").exists() or (home / "location").exists()


def settle(home: Path) -> Place:
    """Decide where the cluster lies and who runs it; called with the supervisor's lock held."""
    if os.geteuid() != 0:
        return Place(home=home, account=None)
    location = home / "location"
    if location.exists():
        elsewhere = Path(location.read_text().strip())
        _create(elsewhere)  # somebody may have deleted it, as a way to start afresh
        return Place(home=elsewhere, account=_account(elsewhere / "cluster"))
    account = _account(home / "cluster")
    if not _can_traverse(home, account):
        if (home / "cluster").exists():
            raise EmbeddedPostgresError(
                f"The user {account.uid} that owns the data in {home} can no longer enter it: "
                f"give the directories above it their permissions back."
            )
        home = _elsewhere(location, account)
    return Place(home=home, account=account)


def socket_directory(place: Place) -> Path:
    """Create the directory of the socket, which only the server's user (and root) can enter.

    Raises:
        EmbeddedPostgresError: somebody else has put something there, in /tmp.
    """
    path = place.home / "socket"
    uid = os.geteuid() if place.account is None else place.account.uid
    if not SAFE_SOCKET_DIR.fullmatch(str(path)):
        digest = hashlib.sha256(os.fsencode(place.home)).hexdigest()[:16]
        path = Path("/tmp").resolve() / f"kling-relay-{uid}-{digest}"  # noqa: S108 - checked below
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    is_ours = found.st_uid in {uid, os.geteuid()}
    if not stat.S_ISDIR(found.st_mode) or not is_ours or found.st_mode & 0o077:
        raise EmbeddedPostgresError(f"{path} is not a private directory of user {uid}: remove it.")
    give_to(path, place.account)
    return path


def give_to(path: Path, account: Account | None) -> None:
    """Hand a new directory to the server's user; nothing to do if that is who we are."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _account(cluster: Path) -> Account:
    """Choose who owns the data already, else a user of our own, which is made if need be."""
    with contextlib.suppress(FileNotFoundError):
        owner = cluster.stat()
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    try:
        entry = pwd.getpwnam(OWN_USER)
    except KeyError:
        entry = _create_user()
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _create_user() -> "pwd.struct_passwd":
    """Make the system user `OWN_USER`, who can do nothing but own files.

    Raises:
        EmbeddedPostgresError: this system makes users in another way.
    """
    options = f"--system --user-group --no-create-home --home-dir=/ --shell=/bin/false {OWN_USER}"
    useradd = shutil.which("useradd", path=USERADD_PATH) or "useradd"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(  # noqa: S603 - a fixed command
            [useradd, *options.split()], check=False, capture_output=True, timeout=USERADD_MAX_S
        )
    try:
        return pwd.getpwnam(OWN_USER)
    except KeyError as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the user `{OWN_USER}` to run it as could not be "
            "made: create that system user, start as an ordinary user, or set RELAY_DATABASE_URL."
        ) from error


def _elsewhere(location: Path, account: Account) -> Path:
    """Create a directory that `account` can enter, and write its name into `location`."""
    directory = SYSTEM_DIR / "elsewhere" / secrets.token_hex(8)
    for path in (SYSTEM_DIR, directory.parent, directory):
        _create(path)
    if not _can_traverse(directory, account):
        raise EmbeddedPostgresError(
            f"The user {account.uid} that runs PostgreSQL can enter neither {location.parent} nor "
            f"{directory}."
        )
    (directory / "belongs-to").write_text(f"{location.parent}\n")
    partial = location.with_suffix(".partial")
    partial.write_text(f"{directory}\n")
    partial.replace(location)
    return directory


def _create(directory: Path) -> None:
    """Create a directory of ours; others may traverse it if we are root, whatever the umask.

    An existing one keeps its permissions, except SYSTEM_DIR, which is ours whoever created it.
    """
    is_new = not directory.is_dir()
    if is_new:
        directory.mkdir(parents=True, exist_ok=True)
    if is_new or directory == SYSTEM_DIR:
        directory.chmod(0o711 if os.geteuid() == 0 else 0o700)


def _can_traverse(directory: Path, account: Account) -> bool:
    for path in (directory, *directory.parents):
        status = path.stat()
        is_owner = status.st_uid == account.uid
        if not status.st_mode & (stat.S_IXUSR if is_owner else stat.S_IXOTH):
            return False
    return True
