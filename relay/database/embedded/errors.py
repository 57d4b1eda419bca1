import shutil


class EmbeddedPostgresError(RuntimeError):
    """The embedded Postgres cannot run; the text says in one sentence why, and where its log is.

    Nothing of the data was changed: starting again is always safe.
    """


def reason(error: OSError) -> str:
    """Say in words what the system refused; of many files that copytree lists, the first."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        _source, target, why = error.args[0][0]
        return f"{target}: {why.partition(': ')[0]}"
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
