"""External ids of trials, told from those of tasks by their form."""

import secrets

MARK = "try"


def new_trial_id(prefix: str) -> str:
    """Make one, with the deployment's prefix, as tasks have it, and 64 random bits."""
    return f"{prefix}-{MARK}-{secrets.token_hex(8)}"


def is_trial_id(injected_id: str) -> bool:
    """Tell it from a task's, which has our number in the middle."""
    return injected_id.split("-")[1:2] == [MARK]
