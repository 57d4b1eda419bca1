"""Which role may do what: one table of acts, as `changes` names them, and of what is read.

A ceiling is of an act and of any 24 hours, in micros: midnight brings no second one. What an act
counts against it stands in its change (`amount_micros`). It is the role's by default, and an
operator may have one of its own. 0 is an act without money: a tenant opened with no quota.

Passwords, second factors and sessions are one's own to change, and all of them an owner's: those
acts look for themselves whose they are.

Whoever has a shell on the relay's machine is held to none of this: that shell can write to the
database without us. Nor is the relay itself.
"""

from collections.abc import Mapping

from relay.money import MICROS
from relay.operators.tables import Role

OWNER, OPERATOR, FINANCE = Role.OWNER, Role.OPERATOR, Role.FINANCE
SUPPORT, VIEWER = Role.SUPPORT, Role.VIEWER

LOOKING = (OPERATOR, FINANCE, SUPPORT, VIEWER)

HUNDRED = 100 * MICROS
THOUSAND = 10 * HUNDRED

Grants = Mapping[Role, int | None]
"""Of one act: who may do it, and up to which ceiling; None is without one."""


def _to(*roles: Role, bounded: Grants | None = None) -> Grants:
    return {OWNER: None} | dict.fromkeys(roles) | dict(bounded or {})


ACTS: dict[str, Grants] = {
    "tenant.open": _to(FINANCE, bounded={OPERATOR: 0}),
    "tenant.change": _to(OPERATOR, FINANCE),
    "tenant.move_in": _to(),
    "sub_tenant.open": _to(OPERATOR, FINANCE),
    "tenant.remove": _to(OPERATOR),
    "tenant.link": _to(OPERATOR),
    "portal.end_session": _to(OPERATOR, SUPPORT),
    "tenant.issue_webhook_secret": _to(OPERATOR),
    "tenant.top_up": _to(FINANCE),
    "tenant.adjust": _to(FINANCE),
    "tenant.set_credit": _to(FINANCE),
    "code.make": _to(FINANCE),
    "code.revoke": _to(OPERATOR, FINANCE),
    "code.redeem": _to(OPERATOR, FINANCE, SUPPORT),
    "code.move_in": _to(),
    "account.close_month": _to(FINANCE),
    "invoice.set_profile": _to(OPERATOR, FINANCE),
    "invoice.request": _to(OPERATOR, FINANCE),
    "invoice.issue": _to(FINANCE),
    "invoice.reject": _to(FINANCE),
    "invoice.reverse": _to(FINANCE),
    "token.issue": _to(OPERATOR),
    "token.change": _to(OPERATOR),
    "token.rotate": _to(OPERATOR),
    "gate.set": _to(OPERATOR),
    "limit.set": _to(OPERATOR, FINANCE),
    "limit.raise": _to(OPERATOR, FINANCE),
    "token.revoke": _to(OPERATOR, SUPPORT),
    "task.move_in": _to(),
    "model.move_in": _to(),
    "task.settle": _to(FINANCE, bounded={OPERATOR: THOUSAND}),
    "task.release": _to(FINANCE, bounded={OPERATOR: THOUSAND, SUPPORT: HUNDRED}),
    "task.refund": _to(FINANCE, bounded={OPERATOR: THOUSAND, SUPPORT: HUNDRED}),
    "task.cancel": _to(OPERATOR, FINANCE, SUPPORT),
    "task.unflag": _to(OPERATOR, FINANCE, SUPPORT),
    "task.look": _to(OPERATOR, FINANCE, SUPPORT),
    "price.set": _to(FINANCE),
    "price.remove": _to(FINANCE),
    "price.adopt": _to(FINANCE),
    "price.import": _to(FINANCE),
    "price.amounts": _to(FINANCE),
    "multiplier.set": _to(FINANCE),
    "multiplier.end": _to(FINANCE),
    "channel.add": _to(OPERATOR),
    "channel.change": _to(OPERATOR),
    "channel.remove": _to(OPERATOR),
    "channel.drained": _to(OPERATOR),
    "channel.set_cost": _to(FINANCE),
    "channel.try": _to(OPERATOR),
    "pause.add": _to(OPERATOR),
    "pause.end": _to(OPERATOR),
    "owner.claim": _to(OPERATOR),
    "delivery.replay": _to(OPERATOR, SUPPORT),
    "asset.delete": _to(OPERATOR),
    "asset.mend": _to(OPERATOR),
    "storage.charge": _to(FINANCE),
    "notice.add": _to(OPERATOR, SUPPORT),
    "notice.remove": _to(OPERATOR, SUPPORT),
    "notice.test": _to(OPERATOR, SUPPORT),
    "notice.replay": _to(OPERATOR, SUPPORT),
    "alert.add": _to(OPERATOR),
    "alert.remove": _to(OPERATOR),
    "alert.set": _to(OPERATOR),
    "alert.mute": _to(OPERATOR),
    "backup.take": _to(OPERATOR),
    "database.restore": _to(),
    "secret_key.reseal": _to(),
    "secret_key.retire": _to(),
    "operator.add": _to(),
    "operator.change": _to(),
    "operator.remove": _to(),
    "operator.issue_token": _to(),
    "operator.revoke_token": _to(),
    "operator.set_password": _to(*LOOKING),
    "operator.set_second_factor": _to(*LOOKING),
    "operator.end_session": _to(*LOOKING),
    "console.open": {},  # of no operator: by it a machine's own user enters
    "office.refuse": _to(),
    "entry.read": _to(*LOOKING),
    "audit.read": _to(OPERATOR, FINANCE, VIEWER),
    "usage.read": _to(OPERATOR, FINANCE, VIEWER),
    "tenant.read": _to(*LOOKING),
    "code.read": _to(*LOOKING),
    "token.read": _to(*LOOKING),
    "task.read": _to(*LOOKING),
    "channel.read": _to(*LOOKING),
    "price.read": _to(*LOOKING),
    "notice.read": _to(*LOOKING),
    "alert.read": _to(*LOOKING),
    "pause.read": _to(*LOOKING),
    "owner.read": _to(*LOOKING),
    "delivery.read": _to(*LOOKING),
    "asset.read": _to(*LOOKING),
    "statement.read": _to(*LOOKING),
    "change.read": _to(*LOOKING),
    "invoice.read": _to(*LOOKING),
    "operator.read": _to(OPERATOR, FINANCE, VIEWER),
    "export.read": _to(OPERATOR, FINANCE, VIEWER),
    "check.read": _to(OPERATOR, FINANCE, VIEWER),
    "bill.read": _to(OPERATOR, FINANCE),
    "setup.read": _to(OPERATOR, FINANCE, VIEWER),
}
"""Every act of the desk, and what is read in the office."""

READS = frozenset(name for name in ACTS if name.endswith(".read"))
"""Those that change nothing: usage tells the margin."""

BOUNDED = frozenset(
    (
        "tenant.open",
        "tenant.move_in",
        "tenant.top_up",
        "tenant.adjust",
        "tenant.set_credit",
        "code.make",
        "code.redeem",
        "code.move_in",
        "task.settle",
        "task.release",
        "task.refund",
    )
)
"""Those that move or give money, which a ceiling can be of: each says in its change how much."""


def ceiling_of(role: Role, act: str, own: Mapping[str, int]) -> int | None:
    """Find the ceiling of an operator for an act that its role may do; None is none."""
    return own[act] if act in own else ACTS[act][role]
