"""What operators are told when something is wrong, and when it is over.

Guarantees:
- Of several workers, what one finds is told once: states and messages are written together, with
  the rules' rows locked, and each message is claimed before it is sent.
- What is told is the state, not its changes: between two messages of one rule lies its pause, and
  at its end is told what is so then.
- A message that does not arrive is tried again for a day, and holds up nothing but itself.
- A rule that cannot be judged keeps its state, says so, and stops no other.
"""
