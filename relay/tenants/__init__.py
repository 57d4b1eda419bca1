"""Who pays us, and how we know them.

A tenant's credentials resolve to one token and one tenant. Secret keys are sealed at rest, API keys
are stored as hashes only; both are shown once.
"""
