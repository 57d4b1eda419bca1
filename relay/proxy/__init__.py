"""Kling's own paths, served to tenants, byte for byte.

One ASGI application over the catalogue (`surface.py`), past Litestar's routing: a handler per
endpoint costs three times as much before it does anything (docs/speed.md). `paths.py` reads
the many spellings of a path, `body.py` bounds what bodies may hold of memory, `answers.py` spells
envelopes, `query.py` serves GETs and lists from our rows.
"""
