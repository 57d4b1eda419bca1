"""A faithful Kling that runs here: what tenants test against, and the one fake Kling of our tests.

Written from `docs/kling-api.md` alone. It imports nothing of the relay but its log format, so that
a misreading of the relay's cannot hide behind the same misreading here.

Guarantees: every endpoint of both generations, Kling's envelopes, credentials, error codes,
parameter checks, unit prices, concurrency limit and callbacks; a task that was accepted ends by
itself; every acceptance, end, callback and paid synchronous call is in the ledger
(`GET /sandbox/log`), which tests use as the truth. Paths below `/sandbox` are ours, everything else
is Kling's. Restarting forgets everything; ids never repeat.

The surface is data: `catalogue.list_rows()`, also in `GET /sandbox`. What a success makes (videos,
audios, elements, voices) and sessions can be named by the account that made them and by no other,
for as long as section 12 says; Kling's presets by all.

Choices of ours where Kling's behaviour is unknown, each one constant or row to change:

- Retired models (`kling-v1`, `kling-v1-6` ...) still work. multi-image2video has no other model.
- The credential is checked before the path, parameters before the duplicate check, that before
  the concurrency limit. A refused create does not use up its `external_task_id`.
- Slots are counted per account and what is made (videos, images, audios ...; try-on apart), the
  limit is the same for each.
- A callback is tried 3 times, 0.3 s and 1 s apart, with 5 s for each; any 2xx is an answer.
- An input whose length we would have to download to know counts as 5 s long.
- Lists are newest first. A JWT may be 5 s early or late.
- Accounts pay in units: `final_balance_deduction` is there and says "0".
- An unknown id in a body is 400/1201 and named; so is a deleted one, or a preset to be deleted.
- Video ids are those of finished tasks; voices of tts and of the old lip-sync are not looked up,
  since Kling takes them from a list of its own there, nor are face ids.
- A deleted element says so in its task; a deleted voice is gone from its task's `voices`.
- A JWT on API 2.0 or the solutions is 401/1002. `external_id` is "" where none was given.
- A video to extend may be of any model. The old elements' replies are bare objects.
- Solutions take any body, and cost what is not known to us: 20 image or 2 video units.
- Old elements and advanced ones are free. Nothing is refused for lack of units.

Faults are asked for by words in square brackets anywhere in a text or name of the body
(`multi_prompt` and `contents` count), in a field or query parameter `sandbox_fault`, or in a header
`x-sandbox-fault`; `relay.sandbox.faults` lists them, and `GET /sandbox` shows that list.
"""
