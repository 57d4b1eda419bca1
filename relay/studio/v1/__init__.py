"""`/api/v1/…`: Kling's own creates under other names, for clients that were written for those.

One create of Kling's each, through the same door as on Kling's paths: the same hold, the same
`Idempotency-Key`, the same task, which both faces find by Kling's id. Nothing more is kept of it.
"""
