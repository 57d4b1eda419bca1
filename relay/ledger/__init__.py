"""Tenants' money, in integer micros of one currency (1.00 = 1_000_000).

Guarantees:
- A hold ends at most once: settled or released, never both.
- Open holds never exceed the quota and the credit by a submit; settling charges at most the hold.
- Entries are never updated or deleted. A mistake is corrected by a further entry.
- quota = sum of the account's entries; held = sum of its open holds; `invariants.py` recomputes
  both.

Knows no Kling and no HTTP. What moves money is SQL over arrays, exported here (`holds.py`,
`entries.py`) and composed with tasks and deliveries in `tasks/statements.py`: it exists once.
"""
