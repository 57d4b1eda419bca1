"""Loops without a request: look at live tasks, send deliveries, check the books, forget raw data.

What is due stands in the row it is about, and any number of workers may run: rows are claimed FOR
UPDATE SKIP LOCKED with a lease, so a worker that dies or sleeps loses nothing and doubles nothing.
"""
