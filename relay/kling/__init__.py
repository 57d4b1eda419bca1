"""Kling's protocol: endpoints as data, credentials, codes, bodies, and the seam to the network.

Knows no database. Kling's own spellings stay in here; both generations' status words become one
enum. Every fact is from docs/kling-api.md, with its weight; one that turns out wrong is one row or
one constant to change.
"""
