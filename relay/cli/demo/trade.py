"""What an operator and its tenants do beside the tasks, for the pages of a demo that is kept."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from relay.cli.demo.stage import CURRENCY
from relay.desk.actor import Actor
from relay.desk.codes import make_codes, redeem_code
from relay.desk.invoices import ProfileChanges, request_invoice, set_invoice_profile
from relay.desk.limits import set_limits
from relay.desk.money import add_quota
from relay.invoices.tables import InvoiceKind
from relay.limits.tables import LimitKind

PAID_MICROS, CODE_MICROS = 20_000_000, 5_000_000
LIMITS: dict[LimitKind, int | None] = {LimitKind.MONTH: 50_000_000, LimitKind.IN_FLIGHT: 20}


async def trade(session: AsyncSession, actor: Actor) -> None:
    """Have acme pay, ask for its invoice and be limited, and globex redeem one code of a batch.

    After the demo's figures were checked, and printed: none of it is among them.
    """
    await add_quota(
        *(session, actor, "acme"),
        amount_micros=PAID_MICROS,
        reference="bank-2026-001",
        currency=CURRENCY,
    )
    profile = ProfileChanges(
        kind=InvoiceKind.GENERAL, title="Acme Video Ltd", mail="books@acme.example"
    )
    await set_invoice_profile(session, actor, "acme", profile)
    await request_invoice(session, actor, "acme", currency=CURRENCY)
    await set_limits(session, actor, LIMITS, tenant="acme", zone=UTC)
    made = await make_codes(
        *(session, actor, "spring"),
        amount_micros=CODE_MICROS,
        count=10,
        expires_at=datetime.now(UTC) + timedelta(days=90),
        currency=CURRENCY,
    )
    await redeem_code(session, actor, "globex", made[0].code, currency=CURRENCY)
