"""Copies of the whole database that survive it, and what to do after one was needed.

- A backup is whole or it is not there: it gets its name when all of it is on the disk.
- It is sealed with the relay's secret key, which is never in it: neither is worth anything alone.
- What was cut off, reordered, exchanged or sealed with another key is refused before it is used.
- A restored database begins with every create paused and with a new prefix of external ids, in the
  transaction that restores it: it never serves otherwise.
"""
