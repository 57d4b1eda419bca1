"""What a tenant's token may be used for."""

from enum import StrEnum


class Scope(StrEnum):
    """The scope of a token; also what something asks for."""

    CALL = "call"
    """Kling's paths, and what it made and spent itself."""
    READ = "read"
    """Reads, of all that its tenant has; changes nothing."""
    MANAGE = "manage"
    """Both, and its tenant's tokens, limits and secrets."""

    def has(self, asked: "Scope") -> bool:
        """Tell whether a token of this scope may be used for what asks for the other."""
        return self is asked or self is Scope.MANAGE

    @property
    def sees_all(self) -> bool:
        """Tell whether it sees what others of its tenant's tokens spent."""
        return self is not Scope.CALL
