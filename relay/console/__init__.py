"""Pages that operators work in: a face over the desk, and over the reads of the admin API.

No SQL and no rule of its own. Every action is a form that works without a script, and is the same
act of the desk as the command and the route of its name.
"""
