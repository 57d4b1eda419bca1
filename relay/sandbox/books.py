"""All that one sandbox remembers, and one request as an answer sees it."""

from dataclasses import dataclass, field

from relay.sandbox.charges import Charges
from relay.sandbox.faults import Faults
from relay.sandbox.fields import Fields
from relay.sandbox.identifiers import Ids
from relay.sandbox.ledger import Ledger
from relay.sandbox.settings import Account
from relay.sandbox.tasks import Tasks
from relay.sandbox.things import Thing, Things


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for something that is answered at once."""

    account: Account
    values: dict[str, object]
    """The body, or the query of a GET."""
    faults: Faults
    things: list[Thing]
    """All that the body names by id."""
    base_url: str
    now_ms: int

    @property
    def fields(self) -> Fields:
        """Read the body leniently."""
        return Fields(self.values)

    @property
    def owner(self) -> str:
        """Return the access key under which things are kept."""
        return self.account.access_key

    def file(self, name: str, extension: str) -> str:
        """Write the URL of a file; `name` must be digits."""
        return f"{self.base_url}/sandbox/files/{name}.{extension}"


@dataclass(frozen=True, slots=True)
class Books:
    """The parts share one source of ids and one ledger."""

    tasks: Tasks
    ledger: Ledger
    ids: Ids
    things: Things = field(default_factory=Things)
    charges: Charges = field(default_factory=Charges)

    def clear(self) -> None:
        """Forget everything but the ledger, which its owner clears."""
        self.tasks.clear()
        self.things.clear()
        self.charges.clear()
