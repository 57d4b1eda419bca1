"""The reseller's own people and programs, as they are known by tokens.

What each may do is the desk's to say (`desk/roles.py`). Tokens are stored as hashes only, and shown
once.
"""
