"""Which secret keys seal what this database holds.

Guarantees:
- Under one id stands one key, for ever: another key of that id is refused before it seals anything.
- Keys that are strangers to what is stored are refused.
"""
