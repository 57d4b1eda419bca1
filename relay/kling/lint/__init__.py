"""What Kling's documents forbid, as data: a row a rule, each with its section of the facts.

They stand in docs/kling-api.md. Nothing is refused that Kling may take: what can be read in two
ways is not judged, unknown fields, words of other spellings and unknown models pass, and where the
sources disagree or say nothing there is no rule. Nobody has run it against the real Kling.
"""
