class EmbeddedPostgresError(RuntimeError):
    """The embedded Postgres cannot run; the text says in one sentence why, and where its log is.

    Nothing of the data was changed: starting again is always safe.
    """
