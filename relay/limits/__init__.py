"""What a tenant or a token may take at most: so much money in a window, so many tasks at once.

One row a limit, that counts what was taken of it. It is locked after its account by whatever takes
a hold or ends one, so no concurrency takes more than it allows; and nothing here can fail a charge.

tables.py      a limit and its count
windows.py     the day, week or month that a limit counts now
statements.py  its part of HOLD and of FINISH, and how a row is rolled over
read.py        limits as people see them
"""
