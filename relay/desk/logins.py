"""How people enter the office's pages, and what of it an owner keeps in hand.

Whoever proves who it is gets a session (`relay/logins`): by name, password and a second factor, or
by a link that a machine's own user had made there. What a session may do is judged in each act, as
of an operator's token.
"""

import msgspec
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.desk.act import act
from relay.desk.actor import Actor, ActorKind
from relay.desk.changes import note_change
from relay.desk.errors import NoSuch, NotAllowed
from relay.desk.operators import operator_to_act_on
from relay.desk.secret_keys import check_secret_keys
from relay.logins.links import make_link, take_link
from relay.logins.passwords import compared
from relay.logins.second_factor import secret_context, step_of, use_step
from relay.logins.sessions import (
    Visitor,
    end_session,
    end_sessions,
    find_visitor,
    open_session,
)
from relay.logins.tables import WebSession
from relay.operators.tables import Operator, Role
from relay.secrets import KeyRing, SecretKeyError

log = structlog.get_logger()


class EndedSession(msgspec.Struct, frozen=True):
    """A browser that is logged out."""

    id: int
    name: str
    """Whose it was."""
    was_open: bool
    """Until now; else it was ended before."""


class WrongLogin(Exception):
    """Nobody was let in; what was wrong stands in the log, for nobody who guesses."""


def actor_of(visitor: Visitor, *, origin: str, request_id: str | None) -> Actor:
    """Tell who acts where somebody's session does."""
    return Actor(
        ActorKind.SYSTEM if visitor.is_system else ActorKind.OPERATOR,
        visitor.name,
        origin=origin,
        request_id=request_id,
        operator_id=visitor.operator_id,
    )


@act("operator.set_password")
async def set_password(
    session: AsyncSession,
    actor: Actor,
    name: str,
    password_hash: str | None,
    *,
    but: int | None = None,
) -> int:
    """Set an operator's password, or take it away, and end its sessions; returns how many.

    `password_hash`: as `logins/passwords.py` makes it, before a transaction is open. `but`: the
    session in which one changes one's own, which stays.

    Raises:
        NoSuch, NotPossible: the operator was removed.
        NotAllowed: another one's is an owner's to set.
    """
    operator = await operator_to_act_on(session, name)
    _check_whose(actor, "operator.set_password", operator.id, await _role_of(session, actor))
    had_one, operator.password_hash = operator.password_hash is not None, password_hash
    ended = await end_sessions(session, operator.id, but=but)
    await note_change(
        *(session, actor, "operator.set_password"),
        kind="operator",
        id=operator.id,
        name=name,
        before={"has_password": had_one},
        after={"has_password": password_hash is not None, "sessions_ended": ended},
    )
    return ended


async def knows_password(sessions: Sessions, operator_id: int, password: str) -> bool:
    """Tell whether who sits at an operator's session knows its password; of one without, yes.

    For what would let somebody who found a browser open keep others out. No connection is held
    while it is compared.
    """
    async with sessions.begin() as session:
        whose = select(Operator.password_hash).where(Operator.id == operator_id)
        password_hash = await session.scalar(whose)
    return password_hash is None or await compared(password_hash, password)


async def step_shown(session: AsyncSession, secret: str, code: str) -> int | None:
    """Tell by which step's code somebody proves that an app has a secret; None: by no one's.

    By the clock by which codes are judged at the door.
    """
    now = await session.scalar(select(func.now()))
    assert now is not None, "a clock tells a time"
    return step_of(secret, code, now)


@act("operator.set_second_factor")
async def set_second_factor(
    session: AsyncSession,
    actor: Actor,
    name: str,
    secret: str | None,
    keys: KeyRing,
    *,
    step: int | None = None,
) -> None:
    """Ask an operator for codes of an app from now on; None: ask for none any more.

    `step`: of the code by which it was shown that the app has the secret; it is used up.

    Raises:
        NoSuch, NotPossible: the operator was removed.
        NotAllowed: another one's is an owner's to set.
        SecretKeyError: the keys are not this database's.
    """
    await check_secret_keys(session, keys)
    operator = await operator_to_act_on(session, name)
    _check_whose(actor, "operator.set_second_factor", operator.id, await _role_of(session, actor))
    had_one = operator.totp_sealed is not None
    operator.totp_sealed = (
        None if secret is None else keys.seal(secret, context=secret_context(operator.id))
    )
    operator.totp_step = step
    await note_change(
        *(session, actor, "operator.set_second_factor"),
        kind="operator",
        id=operator.id,
        name=name,
        before={"has_second_factor": had_one},
        after={"has_second_factor": secret is not None},
    )


@act("operator.end_session")
async def end_web_session(
    session: AsyncSession, actor: Actor, session_id: int, *, of: str | None = None
) -> EndedSession:
    """Log one browser out; what was ended before is not noted. `of`: an operator whose it must be.

    Raises:
        NoSuch
        NotAllowed: another one's is an owner's to end.
    """
    row = await session.get(WebSession, session_id)
    operator = None
    if row is not None and row.operator_id is not None:
        operator = await session.get_one(Operator, row.operator_id)
    if row is None or (of is not None and (operator is None or operator.name != of)):
        raise NoSuch("session", session_id)
    _check_whose(actor, "operator.end_session", row.operator_id, await _role_of(session, actor))
    was_open = await end_session(session, session_id)
    name = row.machine_user if operator is None else operator.name
    if was_open:
        await note_change(
            *(session, actor, "operator.end_session"),
            kind="session",
            id=session_id,
            name=str(session_id),
            after={"of": name},
        )
    return EndedSession(session_id, name or "", was_open=was_open)


@act("operator.end_session")
async def log_out(session: AsyncSession, actor: Actor, name: str) -> int:
    """Log an operator out of every browser; returns of how many. Of none is not noted.

    Raises:
        NoSuch, NotPossible: the operator was removed.
        NotAllowed: another one's are an owner's to end.
    """
    operator = await operator_to_act_on(session, name)
    _check_whose(actor, "operator.end_session", operator.id, await _role_of(session, actor))
    ended = await end_sessions(session, operator.id)
    if ended:
        await note_change(
            *(session, actor, "operator.end_session"),
            kind="operator",
            id=operator.id,
            name=name,
            after={"sessions_ended": ended},
        )
    return ended


@act("console.open")
async def open_console(session: AsyncSession, actor: Actor) -> str:
    """Make a link into the console for a machine's own user; return its secret, shown this once."""
    assert actor.kind is ActorKind.SYSTEM, "by the table of roles no operator may"
    secret = await make_link(session, system_user=actor.name)
    await note_change(
        *(session, actor, "console.open"), kind="system_user", id=None, name=actor.name, after={}
    )
    return secret


async def log_in(
    sessions: Sessions,
    keys: KeyRing,
    *,
    name: str,
    password: str,
    code: str | None,
    address: str,
    agent: str,
    owners_need_code: bool,
) -> tuple[str, Visitor]:
    """Let an operator in; return the secret of its new session, and whose that is.

    A name that nobody has takes as long as a wrong password. No connection is held while a
    password is compared.

    Raises:
        WrongLogin: whatever is wrong; nothing was written.
    """
    name = name if name.isprintable() else ""  # else Postgres could refuse it
    async with sessions.begin() as session:
        whose = select(Operator.password_hash).where(
            Operator.name == name, Operator.removed_at.is_(None)
        )
        password_hash = await session.scalar(whose)
    if not await compared(password_hash, password):
        raise _refused("password", None if password_hash is None else name)
    async with sessions.begin() as session:
        # Read anew: while it was compared, somebody may have changed it to keep a thief out.
        found = await session.execute(
            select(Operator, func.now())
            .where(
                Operator.name == name,
                Operator.removed_at.is_(None),
                Operator.password_hash == password_hash,
            )
            .with_for_update(key_share=True)
        )
        row = found.one_or_none()
        if row is None:
            raise _refused("changed", name)
        operator, now = row
        if operator.totp_sealed is not None:
            try:
                secret = keys.open(operator.totp_sealed, context=secret_context(operator.id))
            except SecretKeyError as error:  # of a key that is lost: it is to be set anew
                raise _refused(str(error), name) from error
            step = step_of(secret, code or "", now)
            if step is None or not await use_step(session, operator.id, step):
                raise _refused("code", name)
        elif owners_need_code and operator.role == Role.OWNER:
            raise _refused("no second factor", name)
        opened = await open_session(session, operator_id=operator.id, address=address, agent=agent)
        return opened, await _entered(session, opened, address=address)


async def log_in_by_link(
    sessions: Sessions, secret: str, *, address: str, agent: str
) -> tuple[str, Visitor]:
    """Let a machine's own user in by a link; return the secret of the new session, and whose.

    Raises:
        WrongLogin: the link is used up, over, or none; nothing was written.
    """
    async with sessions.begin() as session:
        user = await take_link(session, secret)
        if user is None:
            raise _refused("link", None)
        opened = await open_session(session, system_user=user, address=address, agent=agent)
        return opened, await _entered(session, opened, address=address)


async def _entered(session: AsyncSession, secret: str, *, address: str) -> Visitor:
    visitor = await find_visitor(session, secret)
    assert visitor is not None, "its session was opened in this transaction"
    await note_change(
        *(session, actor_of(visitor, origin=address, request_id=None), "console.log_in"),
        kind="system_user" if visitor.is_system else "operator",
        id=visitor.operator_id,
        name=visitor.name,
        after={"session": visitor.session_id},
    )
    return visitor


def _refused(why: str, operator: str | None) -> WrongLogin:
    """Tell the log; never a name that is nobody's: people type their password there."""
    log.info("console.log_in_refused", why=why, operator=operator)
    return WrongLogin()


def _check_whose(actor: Actor, act: str, operator_id: int | None, role: Role | None) -> None:
    """Leave to operators what is their own; whatever is another one's is an owner's."""
    is_own = operator_id is not None and operator_id == actor.operator_id
    if actor.kind is ActorKind.OPERATOR and role is not Role.OWNER and not is_own:
        raise NotAllowed(act, role)


async def _role_of(session: AsyncSession, actor: Actor) -> Role | None:
    if actor.operator_id is None:
        return None
    return Role((await session.get_one(Operator, actor.operator_id)).role)
