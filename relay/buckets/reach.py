"""How a bucket is reached: by the variables that all tools for S3 read, beside our settings."""

import os
from collections.abc import Mapping

from relay.machine import Machine, UnreadableEnvFile
from relay.settings import SettingsError, names_database

REACHED_BY = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"),
)
"""What is passed on. What a machine or a pod knows of itself, obstore finds."""


def read_reach(
    environ: Mapping[str, str] | None = None, *, machine: Machine | None = None
) -> dict[str, str]:
    """Read them from the environment; where it names no database, `machine`'s own beneath it.

    Raises:
        SettingsError: the machine's cannot be read.
    """
    environ = os.environ if environ is None else environ
    beneath: dict[str, str] = {}
    if machine is not None and not names_database(environ):
        try:
            beneath = machine.read_env_file()
        except UnreadableEnvFile as error:
            raise SettingsError(str(error)) from error
    both = beneath | dict(environ)
    return {name: both[name] for name in REACHED_BY if both.get(name, "").strip()}
