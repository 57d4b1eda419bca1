"""What operators do: one function an act, in one transaction with its row in `changes`.

Guarantees:
- An act and its change commit together or not at all; the change is written last.
- A change says who, from where, what, on what, before, after and why, and is never altered. No
  secret stands in one, sealed or not.
- What cannot be done is a typed error (`errors.py`); nothing was written then. Each face words it
  for itself.

Faces (the terminal, later an HTTP API and pages) hold no rule of their own: import contracts keep
them from what writes. Every function works inside the caller's session and never commits.
"""
