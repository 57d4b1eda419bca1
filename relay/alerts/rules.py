"""The rules that there are: another one is a row more, and a question where none fits."""

from decimal import Decimal

from relay.alerts.notes import CHARGE_FAILS, DISK_LOW, NOT_READY, charge_fails, disk_low, not_ready
from relay.alerts.of_assets import assets_full, assets_late
from relay.alerts.of_books import audit_stale, backup_old, books_differ, price_underquoted
from relay.alerts.of_channels import channel_parked, channel_refused, no_channel, units_low
from relay.alerts.of_tasks import (
    callbacks_silent,
    deliveries_dead,
    outcome_unknown,
    queue_long,
    success_fallen,
    task_old,
)
from relay.alerts.of_tenants import content_refused, tenant_empty
from relay.alerts.rule import Bound, Rule
from relay.alerts.tables import Severity

PAGE, TICKET = Severity.PAGE, Severity.TICKET

RULES = (
    Rule(
        "books-differ",
        "The books differ",
        PAGE,
        books_differ,
        "`relay audit` names the rows. Change nothing by hand; stop creates if money runs away"
        " (`relay pause --reason …`), and take a backup",
        "BooksDiffer",
        Bound(Decimal(0), "rows"),
    ),
    Rule(
        "audit-stale",
        "The books were not audited",
        TICKET,
        audit_stale,
        "`relay audit` does it now; the log says why a worker's fails",
        "AuditStale",
        Bound(Decimal(3), "hours"),
    ),
    Rule(
        CHARGE_FAILS,
        "A charge could not be written",
        PAGE,
        charge_fails,
        "The log has each, with its task and its reason. Looks try again; `relay task list --stuck`"
        " shows what is still open",
        "ChargeFails",
    ),
    Rule(
        "outcome-unknown",
        "Submits have no verdict",
        TICKET,
        outcome_unknown,
        "They are looked up and end by themselves; `relay task list --stuck` shows which, and the"
        " money is held meanwhile",
        "UnknownOutcomes",
        Bound(Decimal(60), "minutes"),
    ),
    Rule(
        "task-old",
        "A task takes longer than its model does",
        TICKET,
        task_old,
        "`relay task list --stuck`, then `relay task show ID`, says what it waits for",
        "TaskOld",
        Bound(Decimal(3), "times its model's median"),
    ),
    Rule(
        "queue-long",
        "Creates wait long for room",
        TICKET,
        queue_long,
        "`relay channel list` shows what is full, parked or refused; `relay task list --status"
        " queued` what waits. Buy concurrency, add a channel, or spread the work",
        "QueueLong",
        Bound(Decimal(5), "minutes"),
    ),
    Rule(
        "success-fallen",
        "Fewer tasks succeed",
        TICKET,
        success_fallen,
        "`relay task list --status failed` and `relay task show ID` say what Kling says of them",
        "TasksFail",
        Bound(Decimal(50), "percent less than before"),
    ),
    Rule(
        "no-channel",
        "No channel takes tasks",
        PAGE,
        no_channel,
        "`relay channel show NAME` says what each waits for. Kling's trouble or your way to it is"
        " over by itself; clients are told to come again, and what may wait does",
        "NoChannel",
        Bound(Decimal(5), "minutes"),
    ),
    Rule(
        "channel-parked",
        "A channel is out of units",
        PAGE,
        channel_parked,
        "Buy a pack in Kling's console: the next look at the account sees it. Tasks go to other"
        " channels, if there are any with room",
        "ChannelParked",
    ),
    Rule(
        "channel-refused",
        "Kling refuses a channel",
        PAGE,
        channel_refused,
        "The keys are tried again for free at growing pauses, and at once by `relay channel enable"
        " NAME`; new ones of the same account: `relay channel set NAME --key -`",
        "ChannelRefused",
    ),
    Rule(
        "units-low",
        "Units run out",
        TICKET,
        units_low,
        "Buy a pack in Kling's console; `relay channel show NAME` has what is left, as of up to 12"
        " hours ago",
        "UnitsLow",
        Bound(Decimal(3), "days", is_least=True),
    ),
    Rule(
        "price-underquoted",
        "Kling takes more than a price says",
        TICKET,
        price_underquoted,
        "Set the price anew (`relay price set`, or `relay price adopt`): until then the rest is"
        " yours",
        "PriceUnderquoted",
        Bound(Decimal(1), "times the price"),
    ),
    Rule(
        "content-refused",
        "A tenant sends what Kling's policies forbid",
        TICKET,
        content_refused,
        "Kling closes accounts for that: speak to them, or `relay pause --tenant NAME --reason …`",
        "ContentRefused",
        Bound(Decimal(20), "an hour"),
    ),
    Rule(
        "tenant-empty",
        "A tenant's quota runs out",
        TICKET,
        tenant_empty,
        "Ask them, and `relay tenant topup NAME AMOUNT`: without any, their submits are refused",
        "TenantEmpty",
        Bound(Decimal(1), "days", is_least=True),
    ),
    Rule(
        "callbacks-silent",
        "Kling's callbacks do not arrive",
        TICKET,
        callbacks_silent,
        "Tasks end by looks alone, later. `relay check` calls RELAY_PUBLIC_URL: a certificate, a"
        " firewall or a proxy are the usual reasons",
        "CallbacksSilent",
        Bound(Decimal(30), "minutes"),
    ),
    Rule(
        "deliveries-dead",
        "Callbacks to a tenant were given up",
        TICKET,
        deliveries_dead,
        "`relay delivery list --state dead` has them; once their server answers, `relay delivery"
        " replay ID`",
        "DeliveriesDie",
        Bound(Decimal(0), "an hour"),
    ),
    Rule(
        NOT_READY,
        "A process could run no submit",
        PAGE,
        not_ready,
        "Its log and `/health/ready` say why; it mends itself when that is over, so do not restart"
        " it for that",
        "RelayNotReady",
    ),
    Rule(
        DISK_LOW,
        "The database's disk fills up",
        PAGE,
        disk_low,
        "Make room at once: without any, Postgres stops. RELAY_KEEP_RAW_DAYS says what is kept",
        "DiskLow",
    ),
    Rule(
        "assets-late",
        "Files of results are not copied",
        TICKET,
        assets_late,
        "`relay asset list --state due` says why; Kling has them for 30 days",
        "AssetsLate",
        Bound(Decimal(24), "hours"),
    ),
    Rule(
        "assets-full",
        "A tenant has as many bytes of files as it may",
        TICKET,
        assets_full,
        "`relay tenant set NAME --keep-gb` lets it have more; `relay asset list --tenant NAME` has"
        " what it keeps",
        "AssetsFull",
        Bound(Decimal(95), "percent"),
    ),
    Rule(
        "backup-old",
        "The last backup is old",
        TICKET,
        backup_old,
        "`relay backup --to PLACE` makes one now; the log says why a worker's failed"
        " (`backup.failed`)",
        "BackupOld",
        Bound(Decimal(48), "hours"),
    ),
)
"""In the order in which they are listed."""

BY_NAME = {rule.name: rule for rule in RULES}
