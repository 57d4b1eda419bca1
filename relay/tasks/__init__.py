"""The one story: a task from its submit to its charge.

`submit.py` starts it, `finish.py` is the only door through which it moves on, `look.py` asks Kling
about it. `statements.py` holds the SQL that moves money together with a task's state.
"""
