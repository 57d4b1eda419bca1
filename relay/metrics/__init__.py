"""What Prometheus scrapes: what one process counted, and the business as the database has it.

Nothing here waits on a request's way, and nothing names a tenant. All families stand in tables:
`relay/counts.py` has what is counted, `process.py` what is read off a process when it is asked. A
test holds docs/operate.md equal to them.
"""
