"""What a key made may never do more than that key: within it when it is set, narrowed with it.

Who finds a key gives new keys to what came of it, and is shown them: what came of it would else be
a way past whatever bounds it.
"""

from collections.abc import Collection, Iterable
from ipaddress import ip_network
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor
from relay.desk.changes import State, note_change
from relay.desk.errors import Unusable
from relay.tenants.gate import COLUMNS as GATES
from relay.tenants.scope import Scope
from relay.tenants.tables import Tenant, Token
from relay.tenants.tokens import lock_made

BOUNDS = ("scope", "groups", *GATES)
"""What a key is bounded by, but for what is counted: null is no bound, and `manage` is none."""
OF_PROVIDER = "your provider set this, and changes it alone"


class Narrowed(msgspec.Struct, frozen=True):
    """What was narrowed with a key."""

    tokens: tuple[int, ...] = ()
    tenants: tuple[str, ...] = ()

    def __or__(self, other: "Narrowed") -> "Narrowed":
        """Take both together."""
        return Narrowed(
            tuple(sorted({*self.tokens, *other.tokens})),
            tuple(sorted({*self.tenants, *other.tenants})),
        )


def claim_bounds(token: Token, wanted: State, *, is_operators: bool) -> None:
    """Note which bounds of a locked token are the operator's now, before they are set.

    Raises:
        Unusable: a key would change one that is.
    """
    its = set(token.operator_set or ())
    bounds = {name: value for name, value in wanted.items() if name in BOUNDS}
    if not is_operators:
        for name, value in bounds.items():
            if name in its and value != getattr(token, name):
                raise Unusable(OF_PROVIDER, field=name)
        return
    its -= bounds.keys()
    its |= {name for name, value in bounds.items() if value not in (None, Scope.MANAGE)}
    token.operator_set = sorted(its) or None


def check_is_of(makers: Iterable[Token], by_id: int, why_not: str) -> None:
    """Refuse a token that says something of one that did not come of it, or may not any more.

    `makers`: of that one, locked. `why_not`: said of the former.

    Raises:
        Unusable
    """
    by = next((one for one in makers if one.id == by_id), None)
    if by is None:
        raise Unusable(why_not)
    if not Scope(by.scope).has(Scope.MANAGE):
        raise Unusable(f"a key of scope {by.scope} says nothing of others")


def check_within(makers: Iterable[Token], wanted: State) -> None:
    """Refuse what is more than any of the makers of a token has itself.

    Raises:
        Unusable
    """
    for maker in makers:
        for name, value in wanted.items():
            own = getattr(maker, name)
            if not _is_no_more(name, value, own):
                raise Unusable(f"the key that it came of, {maker.id}, has less itself", field=name)


async def narrow_made(
    session: AsyncSession, token: Token, names: Iterable[str], *, actor: Actor
) -> Narrowed:
    """Hold all that came of a locked token to what that one has by now; each is noted.

    What is widened again later leaves them as they are: each is widened by itself.

    Raises:
        Unusable: one would be left with nothing.
    """
    bounds = {name: its for name in names if (its := getattr(token, name)) is not None}
    if not bounds or bounds == {"scope": Scope.MANAGE}:
        return Narrowed()
    tokens, tenants = await lock_made(session, token.id)
    rows: list[Token | Tenant] = [*tokens, *tenants]
    found = Narrowed()
    for row in rows:
        before = {name: getattr(row, name) for name in bounds if _has(row, name)}
        after = {name: _meet(row, name, its, bounds[name]) for name, its in before.items()}
        changed = [name for name in after if after[name] != before[name]]
        if not changed:
            continue
        for name in changed:
            setattr(row, name, after[name])
        kind = "token" if isinstance(row, Token) else "tenant"
        await note_change(
            *(session, actor, "gate.set" if changed[0] in GATES else f"{kind}.change"),
            kind=kind,
            id=row.id,
            name=str(row.id) if isinstance(row, Token) else row.name,
            before=_spelt({name: before[name] for name in changed}),
            after=_spelt({name: after[name] for name in changed}) | {"narrowed_with": token.id},
        )
        found |= Narrowed((row.id,)) if isinstance(row, Token) else Narrowed((), (row.name,))
    return found


def _has(row: Token | Tenant, name: str) -> bool:
    """Tell whether it has such a bound: keys for tests are in no groups, tenants have no scope."""
    if isinstance(row, Tenant):
        return name != "scope"
    return name != "groups" or not row.is_test


def _meet(row: Token | Tenant, name: str, its: Any, most: Any) -> Any:
    """Say what is left of a bound within another one."""
    if its is None:
        return most
    if _is_no_more(name, its, most):
        return its
    if name == "expires_at":
        return most
    if name == "scope":
        left = most if its == Scope.MANAGE else None
    elif name == "addresses":
        inner = {one for one in its if _is_part(one, most)}
        left = sorted(inner | {one for one in most if _is_part(one, its)})
    else:
        left = sorted(set(its) & set(most))
    if not left:
        raise Unusable(
            f"key {row.id} came of it, and would be left with nothing: change or revoke it first"
            if isinstance(row, Token)
            else f"'{row.name}' was opened by it, and would be left with nothing: change it first",
            field=name,
        )
    return left


def _is_no_more(name: str, value: Any, own: Any) -> bool:
    if own is None or (name == "scope" and own in (value, Scope.MANAGE)):
        return True
    if value is None or name == "scope":
        return False
    if name == "expires_at":
        return bool(value <= own)
    if name == "addresses":
        return all(_is_part(one, own) for one in value)
    return set(value) <= set(own)


def _is_part(network: str, of: Collection[str]) -> bool:
    inner, outer = ip_network(network), map(ip_network, of)
    # Networks of two versions are compared by none of its methods.
    return any(
        inner.version == one.version
        and one.network_address <= inner.network_address  # type: ignore[operator]  # of one version
        and inner.broadcast_address <= one.broadcast_address  # type: ignore[operator]  # as above
        for one in outer
    )


def _spelt(state: State) -> State:
    at = state.get("expires_at")
    return state if at is None else state | {"expires_at": at.isoformat()}
