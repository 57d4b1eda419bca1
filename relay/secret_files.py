"""What is secret, out of files of its own: so Kubernetes, Docker and systemd give it to a process.

A file keeps it out of `docker inspect`, of a pod's description and of the environment of all that a
process starts. `RELAY_SECRET_KEY_FILE=/run/secrets/secret-key` is `RELAY_SECRET_KEY` with the whole
of that file, but for white space around it.
"""

from collections.abc import Mapping
from pathlib import Path

SETTING_OF = {
    f"{name}_FILE": name
    for name in (
        *("RELAY_SECRET_KEY", "RELAY_DATABASE_URL", "RELAY_DATABASE_POOL_URL"),
        "RELAY_MAIL_URL",
    )
}
"""The setting for which a variable names a file."""


class SecretFileError(ValueError):
    """The message is a sentence that repeats nothing: even the path may, by a slip, be the key."""


def with_secret_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Put what the files hold in place of the variables that name them.

    Raises:
        SecretFileError: one cannot be read or is empty, or the setting itself is there too.
    """
    read = {name: text for name, text in environ.items() if name not in SETTING_OF}
    for variable, name in SETTING_OF.items():
        if variable not in environ:
            continue
        if name in environ:
            raise SecretFileError(f"{name} and {variable} are both set: leave one of them out")
        read[name] = _read(variable, Path(environ[variable]))
    return read


def _read(variable: str, path: Path) -> str:
    text, why = "", "it is empty"
    try:
        text = path.read_text().strip()
    except OSError as error:
        why = f"it cannot be read: {error.strerror or type(error).__name__}"
    except ValueError:  # no UTF-8, or a path with a zero in it
        why = "it is not UTF-8"
    if not text:  # raised here, where no error that repeats the path is its context
        raise SecretFileError(f"{variable} names a file, and {why}")
    return text
