"""The plan of a move, made of what stands there and here."""

from collections.abc import Iterable
from datetime import datetime, tzinfo

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.errors import Unusable
from relay.desk.gates import GateChanges, check_gates
from relay.desk.limits import AMOUNT_MAX
from relay.desk.move_in import has_tasks
from relay.desk.moving.channels import plan_channels
from relay.desk.moving.codes import plan_codes
from relay.desk.moving.models import plan_models
from relay.desk.moving.names import Names, group_named
from relay.desk.moving.plan import (
    QUIET,
    SOURCE_CHARS_MAX,
    Choices,
    KeyLine,
    Plan,
    TenantLine,
    Verdict,
)
from relay.desk.moving.prices import (
    Pair,
    compare,
    klings_names,
    models_of,
    plan_prices,
    price_group_of,
    with_planned,
)
from relay.desk.names import check_name
from relay.ledger.read import check_currency
from relay.money import money
from relay.new_api.installation import Installation
from relay.new_api.prices import micros_of_units
from relay.new_api.rows import Key, User
from relay.new_api.tables import MovedTenant
from relay.pricing.in_force import read_prices
from relay.pricing.lists import read_adopted
from relay.pricing.quote import UnitPrices
from relay.secrets import KeyRing
from relay.tenants.read import SLASH, tenant_names
from relay.tenants.tables import Tenant, Token
from relay.tenants.tokens import API_KEY_CHARS_MIN, hash_api_key

AUTO = "auto"
"""Of a key: the first of several groups that can serve it."""
NAMED_MAX = 5


async def plan_move(
    session: AsyncSession,
    keys: KeyRing,
    found: Installation,
    choices: Choices,
    *,
    zone: tzinfo,
    units: UnitPrices,
) -> Plan:
    """Plan a move; nothing is written.

    Raises:
        Unusable: the source's name, or another installation was moved under it.
        CurrencyMismatch
    """
    check_name(choices.source, what="source")
    if len(choices.source) > SOURCE_CHARS_MAX:
        raise Unusable(f"a source's name has {SOURCE_CHARS_MAX} characters at most")
    await check_currency(session, choices.currency)
    now = await session.scalar(select(func.now()))
    assert now is not None, "a function returns a value"
    prices, official = await read_prices(session, zone), (await read_adopted(session)).rows
    models = models_of(found.channels)
    tenants = _Tenants(session, found, choices, now)
    await tenants.read()
    lines = [await tenants.line(user) for user in found.users if not tenants.is_idle(user)]
    pairs = {line.user_id: tenants.pairs(line) for line in lines}
    price_lines = plan_prices(
        found.options, models, (one for some in pairs.values() for one in some), prices, choices
    )
    compared = compare(
        found.options,
        models,
        [
            (line, *tenants.here(line), pairs[line.user_id])
            for line in lines
            if line.verdict is not Verdict.LEFT_OUT
        ],
        prices=with_planned(prices, price_lines, official),
        units=units,
        choices=choices,
    )
    codes, codes_gone = await plan_codes(session, found.codes, found.options, choices, now)
    return Plan(
        choices=choices,
        where=found.where,
        version=found.version,
        units_per_usd=found.options.units_per_usd,
        is_units_said=found.options.is_units_said,
        channels=await plan_channels(session, keys, found.channels, choices),
        models=await plan_models(session, found.channels, choices.source),
        prices=price_lines,
        tenants=lines,
        codes=codes,
        codes_gone=codes_gone,
        compared=compared,
        idle_users=sum(tenants.is_idle(user) for user in found.users),
        running=found.running,
        used_at=found.used_at,
        is_quiet=found.used_at is None or now - found.used_at >= QUIET,
        not_taken=list(_not_taken(found)),
    )


class _Tenants:
    """Plans users, by what was moved of them before."""

    def __init__(
        self, session: AsyncSession, found: Installation, choices: Choices, now: datetime
    ) -> None:
        self._session, self._found, self._choices, self._now = session, found, choices, now
        self._keys: dict[int, list[Key]] = {}
        names = klings_names(found.channels)
        for key in found.keys:
            models = {name for model in key.models for name in names.get(model, {model})}
            klings = msgspec.structs.replace(key, models=tuple(sorted(models)))
            self._keys.setdefault(key.user_id, []).append(klings)
        self._moved: dict[int, tuple[MovedTenant, Tenant]] = {}
        self._owners: dict[bytes | None, tuple[int, bool]] = {}
        """Of keys that are here: whose each is, and whether it was revoked."""
        self._names = Names(())

    async def read(self) -> None:
        """Read what is here.

        Raises:
            Unusable: it was another installation that was moved under this name.
        """
        query = select(MovedTenant, Tenant).join(Tenant, Tenant.id == MovedTenant.tenant_id)
        source = self._choices.source
        rows = await self._session.execute(query.where(MovedTenant.source == source))
        self._moved = {moved.user_id: (moved, tenant) for moved, tenant in rows}
        self._names = Names(await tenant_names(self._session))
        tokens = await self._session.execute(
            select(Token.api_key_hash, Token.tenant_id, Token.revoked_at).where(
                Token.api_key_hash.in_([hash_api_key(key.api_key) for key in self._found.keys])
            )
        )
        self._owners = {row[0]: (row[1], row[2] is not None) for row in tokens}
        others = [user for user in self._found.users if self._is_another(user)]
        if others:
            named = ", ".join(f"{user.id} ({user.name})" for user in others[:NAMED_MAX])
            raise Unusable(
                f"under '{source}' another new-api was moved here, in which these users are others:"
                f" {named}; give this one a name of its own"
            )

    def is_idle(self, user: User) -> bool:
        has_keys = any(self._is_usable(key) for key in self._keys.get(user.id, ()))
        return not has_keys and user.quota_units == 0 and user.id not in self._moved

    async def line(self, user: User) -> TenantLine:
        """Plan one user."""
        moved = self._moved.get(user.id)
        micros = micros_of_units(self._found.options, user.quota_units, rate=self._choices.rate)
        verdict, note, moved_micros = Verdict.NEW, "", None
        if moved is None:
            name = self._names.take(user.name.replace(SLASH, "-"), otherwise=f"user {user.id}")
            if name != user.name:
                note = f"called '{name}' here: there is a '{user.name}' already, or it is no name"
        else:
            row, tenant = moved
            name, moved_micros = tenant.name, row.opening_micros
            if row.opening_micros == micros:
                verdict = Verdict.SAME
            elif tenant.removed_at is not None or await has_tasks(self._session, tenant.id):
                verdict, note = Verdict.DIFFERS, "it has made tasks here, or was removed"
            else:
                verdict = Verdict.CORRECTED
        if user.waiting_units:
            note = f"{note}; " if note else ""
            note += f"{user.waiting_units} units that it earned by invitations stay there"
        return TenantLine(
            verdict,
            user.id,
            user.name,
            name,
            user.quota_units,
            micros,
            moved_micros=moved_micros,
            price_group=price_group_of(self._found.options, self._main_pair(user)),
            groups=(group_named(user.group),),
            is_enabled=user.is_enabled,
            keys=tuple(self._key_line(key, user, moved) for key in self._keys.get(user.id, ())),
            note=note,
        )

    def pairs(self, line: TenantLine) -> set[Pair]:
        """List by which groups its keys are priced there."""
        user = next(user for user in self._found.users if user.id == line.user_id)
        return {self._pair(user, one.key) for one in line.keys if self._is_usable(one.key)} or {
            (user.group, user.group)
        }

    def here(self, line: TenantLine) -> tuple[int | None, str | None]:
        """Say our id of a tenant that is here, and its price group."""
        moved = self._moved.get(line.user_id)
        return (None, line.price_group) if moved is None else (moved[1].id, moved[1].price_group)

    def _main_pair(self, user: User) -> Pair:
        """Say by which group a tenant is priced: that of its keys, where they are of one mind."""
        pairs = {
            self._pair(user, key) for key in self._keys.get(user.id, ()) if self._is_usable(key)
        }
        return pairs.pop() if len(pairs) == 1 else (user.group, user.group)

    def _pair(self, user: User, key: Key) -> Pair:
        if key.group == AUTO:
            return user.group, next(iter(self._found.options.auto_groups), user.group)
        return user.group, key.group or user.group

    def _is_usable(self, key: Key) -> bool:
        return not self._why_not(key)

    def _why_not(self, key: Key) -> str:
        """Say why a key is not taken over; empty: it is."""
        if not key.is_enabled:
            return "it is off there"
        if key.expires_at is not None and key.expires_at <= self._now:
            return "it is expired"
        if key.left_units is not None and key.left_units <= 0:
            return "its own quota is used up"
        if len(key.api_key) < API_KEY_CHARS_MIN:
            return f"it is shorter than {API_KEY_CHARS_MIN} characters"
        try:
            check_gates(gates_of(key))
        except Unusable as error:
            return f"what limits it cannot be read: {error}"
        is_plain = key.secret.isascii() and key.secret.isprintable() and " " not in key.secret
        return "" if is_plain else "it has what no key has here"

    def _key_line(self, key: Key, user: User, moved: tuple[MovedTenant, Tenant] | None) -> KeyLine:
        owner = self._owners.get(hash_api_key(key.api_key))
        if owner is not None:
            is_theirs = moved is not None and owner[0] == moved[1].id
            note = "" if is_theirs else "another tenant has it"
            note = "it was revoked here" if is_theirs and owner[1] else note
            return KeyLine(Verdict.SAME if is_theirs else Verdict.LEFT_OUT, key, note=note)
        if why := self._why_not(key):
            return KeyLine(Verdict.LEFT_OUT, key, note=why)
        groups: tuple[str, ...] | None = None
        if key.group == AUTO:
            groups = tuple(sorted({*map(group_named, self._found.options.auto_groups)})) or None
        elif key.group and key.group != user.group:
            groups = (group_named(key.group),)
        total = self._total_micros(key)
        limits = tuple(self._limits(key, total))
        return KeyLine(Verdict.NEW, key, groups=groups, limits=limits, total_micros=total)

    def _total_micros(self, key: Key) -> int | None:
        if key.left_units is None:
            return None
        micros = micros_of_units(self._found.options, key.left_units, rate=self._choices.rate)
        return min(micros, AMOUNT_MAX)

    def _limits(self, key: Key, total_micros: int | None) -> Iterable[str]:
        if total_micros is not None:
            yield f"spends {money(total_micros, self._choices.currency)} in total"
        if key.expires_at is not None:
            yield f"expires {key.expires_at:%Y-%m-%d %H:%M}Z"
        if key.models:
            yield f"models {', '.join(key.models)}"
        if key.addresses:
            yield f"addresses {', '.join(key.addresses)}"

    def _is_another(self, user: User) -> bool:
        """Tell a user who is somebody else: by its name, and by its keys if that was changed."""
        if user.id not in self._moved:
            return False
        row, tenant = self._moved[user.id]
        hashes = (hash_api_key(key.api_key) for key in self._keys.get(user.id, ()))
        is_known = any(self._owners.get(one, (0, False))[0] == tenant.id for one in hashes)
        return row.username != user.name and not is_known


def gates_of(key: Key) -> GateChanges:
    """Say what a key is let in for there, as it is said here."""
    return GateChanges(
        expires_at=key.expires_at, addresses=key.addresses or None, models=key.models or None
    )


def _not_taken(found: Installation) -> Iterable[str]:
    if found.other_channels:
        yield f"channels of other vendors than Kling: {found.other_channels}"
    if found.subscriptions:
        yield f"subscriptions that run, with what they include: {found.subscriptions}"
    if found.channels:
        sold = models_of(found.channels)
        priced = {*found.options.model_prices, *found.options.model_ratios}
        unpriced = sorted(set(sold) - priced)
        if unpriced:
            yield (
                f"models without a price there, which have Kling's list price here:"
                f" {', '.join(unpriced)}"
            )
    served = {group_named(group) for channel in found.channels for group in channel.groups}
    wanted = {group_named(user.group) for user in found.users}
    if lost := sorted(wanted - served):
        yield f"groups of users that no channel of Kling's serves: {', '.join(lost)}"
