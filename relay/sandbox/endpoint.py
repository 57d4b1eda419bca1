"""What the catalogue says of an endpoint that makes tasks; what is answered at once is in `calls`.

It imports nothing of what a sandbox remembers, since orders, tasks and charges are made of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from relay.sandbox.fields import Fields
from relay.sandbox.things import ThingKind

Generation = Literal["legacy", "2.0", "solutions", "account"]
Credential = Literal["api_key", "jwt"]
Results = Literal["videos", "images", "audios", "elements", "voices"]

ANY_CREDENTIAL: tuple[Credential, ...] = ("api_key", "jwt")
API_KEY_ONLY: tuple[Credential, ...] = ("api_key",)
"""Section 2: API 2.0 takes no JWT. What it answers to one is one source's word (section 17)."""

MODEL = "{model}"
"""The segment of a path that names the model."""

TRY_ON = "/solutions/virtual_try_on"
"""The one path with a pack and slots of its own."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a generation writes a task's id and its success."""

    id: str
    succeed: str


LEGACY = Dialect("task_id", "succeed")
NEW = Dialect("id", "succeeded")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path on which tasks are created (POST); looked up and listed as its generation does."""

    path: str
    generation: Generation = "legacy"
    dialect: Dialect = LEGACY
    results: Results = "videos"
    """What a finished task's `task_result` holds."""
    models: tuple[str, ...] = ()
    """Accepted `model_name`s, the default first; empty where the body has no such field."""
    default_mode: Literal["std", "pro"] | None = None
    """None where `mode` is no field of the body."""
    takes_duration: bool = False
    """Whether the body says how long the result is, so that its input does not."""
    needs: tuple[tuple[str, ...], ...] = ()
    """Of each group one field must be there."""
    check: Callable[[Fields, str], None] | None = None
    """The endpoint's own rules, given the body and the model."""
    ids: tuple[tuple[ThingKind, str], ...] = ()
    """Where the body names things of the account: `face_choose[].audio_id`."""
    repeats: tuple[str, ...] = ()
    """Fields of the body that the result says again."""
    finds_external_id: bool = True
    """Whether GET takes the caller's `external_task_id` too."""
    has_parent_video: bool = False
    """Whether `task_info` names the video that was worked on."""

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """Say which credentials are let in."""
        return ANY_CREDENTIAL if self.generation == "legacy" else API_KEY_ONLY

    @property
    def slots_for(self) -> str:
        """Name what is counted together: all that make the same results, and try-on apart."""
        return "try-on" if self.path == TRY_ON else self.results
