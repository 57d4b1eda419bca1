"""What we tell tenants: one row per status change of a task whose submit named a callback URL.

`tasks.finish` writes the rows in the transaction that moves the task; `Deliverer` sends them.

- At least once: a row is due until a 2xx is recorded, and a worker that dies leaves it to others.
- In order: per task one row is in flight at a time, and a newer status replaces older ones that
  have not arrived, so a tenant never hears an older status after a newer one (but by replay).
- The same bytes under the same `webhook-id` at each attempt.
- Every address is judged when it is dialled (`guard.py`); a redirect is not followed.
- Places are counted by tenant and host, so a slow or dead endpoint fills only its own; and until
  the work has ended: a slow name server is waited for by a thread that nobody can stop.
"""
