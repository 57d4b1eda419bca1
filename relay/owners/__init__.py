"""Whose the things are that live on one Kling account: videos, audios, elements, voices, sessions.

They are learned from replies and callbacks in the transaction that records them, or claimed by the
operator for a tenant that comes with things of its own. A resource has one tenant, for ever.
"""
