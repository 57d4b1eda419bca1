"""Ids of ours that would be mistaken for each other: all of them are numbers of Postgres.

Types of their own, so that a tenant's id never stands where its account's belongs, nor ours of a
task where Kling's does (a text, `kling_id`).
"""

from typing import NewType

TaskId = NewType("TaskId", int)
"""Ours of a task: `tasks.id`, and `task_id` wherever another table names one."""
AccountId = NewType("AccountId", int)
"""Of what pays."""
TenantId = NewType("TenantId", int)
"""Of whose things they are."""
