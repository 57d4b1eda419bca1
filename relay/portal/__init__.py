"""Pages that a tenant works in, on the public listener: a client of what its programs ask.

No SQL, no rule and no right of its own: whatever a page shows or does is asked of the surfaces that
answer `/relay/…` and Kling's paths, in this process, as the token that the session is of. So a page
can show nothing that the token could not read by itself, and cost nothing that it may not spend.
"""
