"""What Kling tells us: authenticate, find the task, pass it to the one door.

A forged callback writes nothing. A lost, late, repeated or reordered one changes nothing about the
end state (D3): looks find the same ends, and `tasks.finish` takes each only once.
"""
