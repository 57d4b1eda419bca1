"""What our own pages are made of, on tenants' port and in the office: Litestar's, never Kling's.

Whatever streams ends when the process does: events at once, a document by the end of the drain.
"""
