"""Kling's surface as an OpenAPI 3.1 document, and a page to read it on.

Every route that Litestar knows stands in it once, and nothing else. What it says of fields is what
the catalogue knows of them; all others pass, so no schema forbids any.
"""
