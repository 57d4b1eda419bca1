"""What breaks while runs go on: the way to Kling, the relays, and time that passes."""

import contextlib
import random
from collections import Counter
from typing import Any

from relay.kling.codes import Code
from tests.e2e.gate import Gate
from tests.e2e.processes import Process
from tests.e2e.world import World
from tests.waiting import settle_for

REFUSALS: tuple[tuple[int, Code | None, str], ...] = (
    (429, Code.RATE_LIMITED, "too fast"),
    (500, Code.INTERNAL_ERROR, "internal error"),
    (503, Code.UNAVAILABLE, "away"),
    (502, None, ""),
)
PAUSED = (
    "UPDATE run_steps SET next_attempt_at = now() WHERE state = 'ready' AND lease IS NULL",
    "UPDATE assets SET next_attempt_at = now() WHERE state = 'due' AND lease IS NULL",
    "UPDATE outbox SET next_attempt_at = now() WHERE done_at IS NULL AND lease IS NULL",
)
BOTH = 0.2
"""How often both are killed at once."""
LEASED = (
    "UPDATE run_steps SET next_attempt_at = now() WHERE lease IS NOT NULL",
    "UPDATE assets SET next_attempt_at = now() WHERE lease IS NOT NULL",
    "UPDATE outbox SET next_attempt_at = now() WHERE lease IS NOT NULL",
)


def refusal(status: int, code: Code | None, message: str) -> bytes:
    """Spell an answer as Kling does."""
    body = (
        "<html>"
        if code is None
        else f'{{"code": {code.value}, "message": "{message}", "request_id": "r"}}'
    )
    head = f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


async def disturb(gate: Gate, chance: random.Random, did: Counter[str]) -> None:
    """Cut the way to Kling, lose its answers, or answer in its place; until it is cancelled."""
    while True:
        await settle_for(0.5 + chance.random() * 2, because="it goes well for a while")
        kind = chance.choice(("cuts", "answers of Kling lost", "refusals"))
        did[kind] += 1
        if kind == "refusals":
            gate.refusal = refusal(*chance.choice(REFUSALS))
        elif kind == "answers of Kling lost":
            gate.hold_replies()
        try:
            await settle_for(0.3, because="it lasts for a while")
        finally:
            gate.refusal = None
        gate.cut()
        gate.let_replies_pass()


async def let_time_pass(world: World) -> None:
    """Have pauses end that last for minutes; until it is cancelled."""
    while True:
        await settle_for(1.0, because="pauses are to be pauses")
        for statement in PAUSED:
            await world.rows(statement)


class Relays:
    """Some `relay serve` on one database, each at a port of its own."""

    def __init__(self, world: World, closing: contextlib.ExitStack, **settings: Any) -> None:
        self._world = world
        self._closing = closing
        self._settings = settings
        self._running: dict[int, Process] = {}

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self._running]

    async def start(self, *ports: int) -> None:
        for port in ports:
            relay = self._world.relay(port=port, public_url=self._world.url, **self._settings)
            self._running[port] = self._closing.enter_context(relay)
        for port in ports:
            await self._running[port].logged("serve.started")

    async def restart_killed(self) -> None:
        """Start those that were killed last."""
        await self.start(*(port for port, one in self._running.items() if not one.is_running))

    async def kill_in_turn(self, chance: random.Random, did: Counter[str]) -> None:
        """Kill one and then the other, at times both, and start them; until it is cancelled."""
        while True:
            for port in [*self._running]:
                await settle_for(4 + chance.random() * 6, because="a kill comes at any moment")
                killed = [*self._running] if chance.random() < BOTH else [port]
                for each in killed:
                    self._running[each].kill()
                    did["kills"] += 1
                # What a killed one had is given to others, and what a living one has, too.
                for statement in LEASED:
                    await self._world.rows(statement)
                await self._world.end_leases()
                await self.start(*killed)
