"""A Kling whose clock differs: its bearers are dated by it, and nothing else follows from it."""

import io
import time
from email.utils import formatdate

import jwt
import msgspec

from relay.kling.transport import Body, Reply
from tests.relay_app import CLIP, CLIP_MICROS, running_relay
from tests.tasks.scripted_kling import Call, ScriptedKling, refusal, success

QUOTA_MICROS = 10 * CLIP_MICROS


class KlingElsewhere(ScriptedKling):
    """Judges bearers by a clock of its own, which its `Date` tells."""

    def __init__(self) -> None:
        super().__init__(self._make)
        self.ahead_s = 0.0
        self._bearer = ""
        self._made = 0

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        self._bearer = bearer
        reply = await super().send(method, url, bearer=bearer, body=body, timeout_s=timeout_s)
        date = formatdate(time.time() + self.ahead_s, usegmt=True)
        return msgspec.structs.replace(reply, date=date)

    async def _make(self, _: Call) -> Reply:
        claims = jwt.decode(self._bearer, options={"verify_signature": False})
        now_s = time.time() + self.ahead_s
        if now_s < claims["nbf"]:
            return refusal(401, 1003, "Authorization is not active")
        if now_s > claims["exp"]:
            return refusal(401, 1004, "Authorization is expired")
        self._made += 1
        return success({"task_id": f"k{self._made}", "task_status": "submitted"})


async def test_a_submit_is_signed_by_klings_clock(books: str, logged: io.StringIO) -> None:
    """A minute ahead is only said. Ten minutes behind us and two hours ahead: refused once, signed
    anew, and taken; the next ones are taken at once. The relay stays ready."""
    kling = KlingElsewhere()
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        statuses, calls, said = [], [], []

        for ahead_s in (60.0, -600.0, 7200.0):
            kling.ahead_s = ahead_s
            for number in range(2):
                before = len(kling.calls)
                made = await relay.submit(token, {**CLIP, "prompt": f"{ahead_s} {number}"})
                statuses.append(made.status_code)
                calls.append(len(kling.calls) - before)
                said.append('"clock.differs_from_kling"' in logged.getvalue())
        ready = await relay.client.get("/health/ready")

        assert statuses == [200] * 6
        assert calls == [1, 1, 2, 1, 2, 1]
        assert all(said)
        assert ready.status_code == 200
