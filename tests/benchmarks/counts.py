"""How many rows, holds and charges a load must leave behind."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """What one database has."""

    tasks: int = 0
    holds: int = 0
    """Open ones."""
    charges: int = 0

    def with_submits(self, number: int) -> "Counts":
        """Each accepted submit is a row with an open hold."""
        return Counts(self.tasks + number, self.holds + number, self.charges)

    def with_ends(self, number: int) -> "Counts":
        """Each success is a charge in the place of a hold."""
        return Counts(self.tasks, self.holds - number, self.charges + number)
