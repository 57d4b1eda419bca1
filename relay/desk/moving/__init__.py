"""Taking over another relay's installation: a plan of it first, then act by act.

Guarantees:
- The plan is what is shown and what is done; nothing is done that is not in it.
- It is done in pieces, each one transaction with its changes: an account of Kling's, the prices,
  a tenant with its keys, some tasks. What was done is found again and left as it is, so a run that
  was cut off is completed by the next one.
- Nothing that somebody set here is changed by another run: what differs by then is reported. The
  one exception is the opening of a tenant that has made no task here yet.
"""
