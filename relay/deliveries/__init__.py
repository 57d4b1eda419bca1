"""What we tell tenants: one row per status change of a task whose submit named a callback URL.

`tasks.finish` writes the rows in the transaction that moves the task; nothing sends them yet.
"""
