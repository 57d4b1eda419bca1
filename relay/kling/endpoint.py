"""What one of Kling's endpoints is made of; the rows stand in `endpoints.py`."""

from enum import StrEnum

import msgspec


class Generation(StrEnum):
    """Whose paths, bodies and words an endpoint uses (docs/kling-api.md 1)."""

    LEGACY = "legacy"
    """`/v1/...`, flat bodies, `task_id`, `succeed`."""
    NEW = "2.0"
    """The model stands in the path, `settings` and `options`, `id`, `succeeded`."""
    SOLUTIONS = "solutions"
    """`/solutions/...`, in the words of 2.0."""


class EndpointKind(StrEnum):
    """How an endpoint answers."""

    TASK = "task"
    """Asynchronous: it makes a task, which is queried, listed and called back about."""
    CALL = "call"
    """Synchronous: the reply is the result."""
    READ = "read"
    """A GET that all tenants share, such as the official presets."""


class Credential(StrEnum):
    """What a channel can show to Kling (docs/kling-api.md 2)."""

    KEY_PAIR = "key_pair"
    """A JWT signed with AccessKey and SecretKey; legacy endpoints only."""
    API_KEY = "api_key"
    """One API key as bearer, for everything."""


class Lookup(StrEnum):
    """How a task is looked for by the external id that we injected.

    Each is a way of Kling's of its own: that one works says nothing of another.
    """

    QUERY = "query"
    """`GET {path}/{external id}` of a legacy endpoint."""
    LIST = "list"
    """The list of a legacy endpoint that documents no query by external id."""
    NEW = "2.0"
    """`GET /tasks?external_task_ids=`."""
    SOLUTIONS = "solutions"
    """`GET /solutions?external_task_ids=`."""


class Resource(StrEnum):
    """Things with an id that live on one Kling account."""

    VIDEO = "video"
    AUDIO = "audio"
    ELEMENT = "element"
    VOICE = "voice"
    SESSION = "session"


class Field(msgspec.Struct, frozen=True):
    """A field that prices a task, as a dotted path, and what Kling takes when it is absent."""

    name: str
    default: str | None = None


class Reference(msgspec.Struct, frozen=True):
    """Where a request may name a resource: `a.b` goes into objects, `a[].b` into their lists."""

    kind: Resource
    path: str


class Pricing(msgspec.Struct, frozen=True):
    """Which fields of the body tell what a task costs (docs/kling-api.md 10)."""

    model: Field | None = None
    mode: Field | None = None
    """Of images and of 2.0: the resolution."""
    duration: Field | None = None
    is_open: bool = False
    """Kling decides the length."""
    shots: str | None = None
    """The list of a clip's shots, each with a length of its own."""
    sound: Field | None = None
    voice_list: str | None = None
    """Billed with voice control when this list is set and a prompt refers to it."""
    inputs: tuple[str, ...] = ()
    """Billed with input when one of these is set: a video, or for images a reference image."""
    contents: str | None = None
    """2.0's list of typed items, in place of `voice_list` and `inputs`."""
    count: Field | None = None
    """How many images."""
    seconds_max: int = 10
    """The longest result, where Kling decides the length or cannot be sure to read ours."""


class Endpoint(msgspec.Struct, frozen=True):
    """One endpoint of Kling's, and the queries that belong to it."""

    name: str
    path: str
    """`{model}` stands for one segment."""
    method: str = "POST"
    generation: Generation = Generation.LEGACY
    kind: EndpointKind = EndpointKind.TASK
    is_free: bool = False
    pricing: Pricing = Pricing()
    credentials: frozenset[Credential] = frozenset(Credential)
    callback_field: tuple[str, ...] = ("callback_url",)
    external_id_field: tuple[str, ...] = ("external_task_id",)
    is_found_by_external_id: bool = True
    """Whether `GET {path}/{id}` is documented to take an external id."""
    references: tuple[Reference, ...] = ()
    deletes: Resource | None = None
    has_fixed_voices: bool = False
    """Voices are names of a fixed table of the vendor's, which no list of presets shows."""
    is_listed: bool = True
    """Whether `GET {path}` lists what was made there."""

    page_size_max: int = 500

    @property
    def lookup(self) -> Lookup:
        """Tell how a task of it is looked for while Kling's own id is not known."""
        if self.generation is Generation.NEW:
            return Lookup.NEW
        if self.generation is Generation.SOLUTIONS:
            return Lookup.SOLUTIONS
        return Lookup.QUERY if self.is_found_by_external_id else Lookup.LIST

    @property
    def makes_a_row(self) -> bool:
        """Tell whether what it does is kept as a task: it costs, or can be asked for later."""
        return self.kind is EndpointKind.TASK or (
            self.kind is EndpointKind.CALL and (not self.is_free or self.is_listed)
        )
