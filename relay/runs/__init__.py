"""Chains of tasks: a run is steps with what each needs, in rows; each is one create of Kling's.

A run is quoted as a whole before it starts, and held step by step, at most up to its cap. A step is
sent under a key of its own, so that however often it is taken up again it makes one task; what it
frees is freed in the transaction that notes its end. Money moves by `tasks/` alone: whatever
happens to a run, each of its tasks is held and charged as any other.
"""
