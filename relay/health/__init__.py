"""How a channel does: what keeps it from new tasks, since when, and how many it has room for.

Learned from every call to Kling, kept in a row for each thing that can fail by itself, and shared
by all processes within a second.
"""
