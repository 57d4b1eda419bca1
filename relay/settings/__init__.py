"""Settings: a TOML file, then the environment over it. A wrong value is one clear sentence.

Every field is `RELAY_` + its name in upper case, such as `RELAY_PUBLIC_URL`; in the file it stands
under its own name. `RELAY_CONFIG` names the file. Where neither names a database, the environment
of the relay that is installed on this machine lies beneath both. Secrets may stand in files of
their own (`secret_files.py`).
"""

from relay.settings.read import names_database, read_file, read_settings
from relay.settings.values import (
    CONFIG_ENV,
    ENV_PREFIX,
    FILE_ONLY,
    LIST_UNIT_PRICES,
    NAMING_A_DATABASE,
    NO_PREFIXES,
    AddedEndpoint,
    Settings,
    SettingsError,
)

__all__ = [
    "CONFIG_ENV",
    "ENV_PREFIX",
    "FILE_ONLY",
    "LIST_UNIT_PRICES",
    "NAMING_A_DATABASE",
    "NO_PREFIXES",
    "AddedEndpoint",
    "Settings",
    "SettingsError",
    "names_database",
    "read_file",
    "read_settings",
]
