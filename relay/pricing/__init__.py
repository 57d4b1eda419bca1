"""What a task costs a tenant: the official table, the operator's rows, and the quote of one task."""
