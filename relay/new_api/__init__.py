"""Another relay's installation: new-api's database as it is read, and what of it was moved here.

Guarantees:
- Nothing is ever written there: each source is one snapshot, in a transaction that cannot write.
- Columns are taken by their names: whatever a version has beside them, or lacks, is no matter.
- No key, code or password of theirs stands in a representation, a message or a log.

Knows nothing of tenants, prices or channels: what becomes of it here is the desk's.
"""
