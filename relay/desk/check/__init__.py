"""Whether all is as it should be: what a command and a running process can both tell.

Guarantees:
- Nothing is changed, and each finding says what to do about it.
"""
