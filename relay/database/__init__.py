"""Postgres: the schema's base, the engine, statements that share a commit, a server of our own."""
