"""A tenant opened with all that it needs to begin, and the sheet that it is sent.

Guarantees:
- All of it is one transaction, of acts that are each under their own role.
- Its secrets are in the sheet alone, and are never read again.
"""
