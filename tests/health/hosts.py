"""A Kling of several accounts, each at a host of its own that answers as a test says."""

from collections.abc import Callable
from itertools import count

from relay.kling.transport import NoUsableReply, Reply
from tests.relay_app import CLIP, Relay
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, refusal, success

Says = Callable[[Call], Reply] | Reply | NoUsableReply | None
"""None takes every create."""

NO_UNITS = refusal(429, 1102, "Account balance not enough")
FULL = refusal(429, 1303, "parallel task over resource pack limit")
TOO_FAST = refusal(429, 1302, "too many requests")
BAD_KEYS = refusal(401, 1002, "api key not found")
NO_SUCH_MODEL = refusal(403, 1103, "no permission")
BAD_CONTENT = refusal(400, 1301, "no")
BROKEN = refusal(500, 5000, "oh")


class Hosts:
    """Accounts by name; each is a channel of that name."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.creates: dict[str, Says] = dict.fromkeys(names)
        self.queries: dict[str, Says] = dict.fromkeys(names, not_found())
        self.kling = ScriptedKling(self._answer)
        self._ids = count(1)

    async def add_to(self, relay: Relay) -> None:
        """Add the channels, the first one with the highest priority."""
        for place, name in enumerate(self.names):
            await relay.add_channel(name, base_url=f"http://{name}.test", priority=-place)

    def posts(self, name: str) -> int:
        """How many creates reached this account."""
        return self.kling.posts_to(f"{name}.test")

    async def _answer(self, call: Call) -> Reply:
        name = call.url.split("/")[2].removesuffix(".test")
        said = (self.creates if call.method == "POST" else self.queries)[name]
        if callable(said):
            said = said(call)
        if isinstance(said, NoUsableReply):
            raise said
        if said is None:
            return success({"task_id": f"{name}-{next(self._ids)}", "task_status": "submitted"})
        return said


async def make_due(relay: Relay, *, for_all: bool = True) -> None:
    """Have all pauses end now, for all who look; `for_all`: also for those who looked in vain."""
    board = relay.parts.kling.board
    await board.aclose()
    for suspects in board.suspects._of.values() if for_all else ():  # noqa: SLF001 (instead of a minute)
        for suspect in suspects.values():
            suspect.try_at_s = 0.0
    await relay.rows("UPDATE channel_conditions SET try_at = now()")
    await read_again(relay)


async def read_again(relay: Relay) -> None:
    """Have it know what all have written, as after a second."""
    board = relay.parts.kling.board
    await board.aclose()
    board._own.clear()  # noqa: SLF001 (instead of the second)
    board._cached.forget()  # noqa: SLF001


async def states(relay: Relay) -> dict[str, str]:
    """The state of each condition that was written, by channel and what it is of."""
    await relay.parts.kling.board.aclose()
    rows = await relay.rows(
        "SELECT concat_ws('/', c.name, nullif(o.pack, ''), nullif(o.model, '')) AS of, o.state"
        " FROM channel_conditions o JOIN channels c ON c.id = o.channel_id"
    )
    return {row["of"]: row["state"] for row in rows}


def of_model(model: str) -> dict[str, str]:
    return CLIP | {"model_name": model}
