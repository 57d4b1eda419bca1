"""A faithful Kling that runs here: what tenants test against, and the one fake Kling of our tests.

Written from `kling-api.md` alone. It imports nothing of the relay but its log format, so that a
misreading of the relay's cannot hide behind the same misreading here.

Guarantees: Kling's envelopes, credentials, error codes, parameter checks, unit prices, concurrency
limit and callbacks; a task that was accepted ends by itself; every acceptance, end and callback is
in the ledger (`GET /sandbox/log`), which tests use as the truth. Paths below `/sandbox` are ours,
everything else is Kling's. Restarting forgets everything; ids never repeat.

Choices of ours where Kling's behaviour is unknown, each one constant or row to change:

- Retired models (`kling-v1`, `kling-v1-6` ...) still work. multi-image2video has no other model.
- The credential is checked before the path, parameters before the duplicate check, that before
  the concurrency limit. A refused create does not use up its `external_task_id`.
- Slots are counted per account and kind of pack (video, image), the limit is the same for each.
- A callback is tried 3 times, 0.3 s and 1 s apart, with 5 s for each; any 2xx is an answer.
- An input whose length we would have to download to know counts as 5 s long.
- Lists are newest first. A JWT may be 5 s early or late.
- Accounts pay in units: `final_balance_deduction` is there and says "0".

Faults are asked for by words in square brackets anywhere in the prompt (`multi_prompt` texts
count); `relay.sandbox.faults` lists them, and `GET /sandbox` shows that list.
"""
