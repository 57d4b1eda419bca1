"""This machine: the relay that is installed on it (docs/operate.md, "Install"), and its data.

systemd gives the unit `relay.env` as its environment, a shell gives a command nothing. So commands
read the file themselves, or each would work on a database of its own, empty and embedded.
"""

import re
from pathlib import Path

import msgspec

_COMMENT = ("#", ";")
_ESCAPED = re.compile(r"\\([\"\\$`])")


class UnreadableEnvFile(ValueError):
    """The message says why, without what stands in it."""


class Machine(msgspec.Struct, frozen=True):
    """Where things are."""

    env_file: Path = Path("/etc/kling-relay/relay.env")
    units: Path = Path("/etc/systemd/system")
    data_dir: Path | None = None
    """Of an embedded database whose place nothing names; None is this user's usual one."""

    def find_install(self) -> Path | None:
        """Find what shows that a relay is installed."""
        if self.env_file.parent.is_dir():
            return self.env_file.parent
        return next(iter(sorted(self.units.glob("kling-relay*.service"))), None)

    def read_env_file(self) -> dict[str, str]:
        """Read the variables that the unit is started with; none without the file.

        Raises:
            UnreadableEnvFile: it may not be read by this user, or is no such file.
        """
        try:
            text = self.env_file.read_text()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except PermissionError as error:
            raise UnreadableEnvFile(
                f"{self.env_file} names the database of this machine's relay, and this user may not"
                " read it: say `sudo relay …`"
            ) from error
        except UnicodeDecodeError:
            raise UnreadableEnvFile(f"{self.env_file} is not UTF-8") from None
        except OSError as error:
            raise UnreadableEnvFile(f"{self.env_file} cannot be read: {error.strerror}") from error
        return self._parsed(text)

    def _parsed(self, text: str) -> dict[str, str]:
        variables = {}
        for number, line in enumerate(text.splitlines(), start=1):
            stripped = line.strip()
            if not stripped or stripped.startswith(_COMMENT):
                continue
            name, separator, value = stripped.partition("=")
            if not separator or value.endswith("\\"):
                raise UnreadableEnvFile(f"line {number} of {self.env_file} is not NAME=value")
            variables[name.strip()] = _unquoted(value.strip())
        return variables


def _unquoted(value: str) -> str:
    """Take the quotes off, as systemd does: what stands behind # in a line is part of the value."""
    for quote in ("'", '"'):
        if len(value) > 1 and value.startswith(quote) and value.endswith(quote):
            inner = value[1:-1]
            return inner if quote == "'" else _ESCAPED.sub(r"\1", inner)
    return value
