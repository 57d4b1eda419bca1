"""What a task costs a tenant: the official table, the operator's rows, the quote of one task."""
