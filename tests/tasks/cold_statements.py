"""Where statements are run whose plans are not tested, and why they need not be.

None of these is on the way of a request, a callback, a look or a delivery; or it reads a table that
stays small, whatever the traffic.
"""

_COMMAND = "run by an operator's command"
_START = "run when a process starts"
_CHANNELS = "reads the channels, of which there are a few"

COLD = {
    # Not statements of their own.
    "relay.database.batch:Batcher._run_batch": "runs what a Batcher was made with",
    "relay.database.line:Line.fetch": "runs what it is given by a Batcher",
    "relay.database.line:Line._prepare": "prepares it, and a SET when a batch is split",
    "relay.database.pool:BoundedPool.fetch": "runs what it is given",
    "relay.database.pool:BoundedPool.fetchrow": "runs what it is given",
    "relay.database.pool:BoundedPool.fetchval": "runs what it is given",
    "relay.database.pool:BoundedPool.execute": "runs what it is given",
    "relay.tasks.door:Door.__init__": "makes batchers of what it names, all of it tested",
    "relay.tasks.finish:_finish": "composes FINISH and FINISH_FOLLOWED",
    "relay.tasks.record:_record": "composes RECORD and RECORD_FOLLOWED",
    # Small tables, and seldom.
    "relay.tasks.ability:Ability.__init__": "PROBE reads no table",
    "relay.tasks.ability:Ability.check": "SELECT 1",
    "relay.channels.directory:ChannelDirectory._read": f"every 2 s: {_CHANNELS}",
    "relay.channels.directory:ChannelDirectory.note_callback": "once a minute, by primary key",
    "relay.channels.directory:read_channels": _CHANNELS,
    "relay.pricing.prices:read_book": "every 2 s: reads the operator's prices, all of them",
    "relay.pricing.prices:note_miss": "a submit without a price, by key; a thousand are kept",
    # Now and then, over everything by intent.
    "relay.ledger.invariants:audit": "recomputes the books from all rows",
    "relay.worker.chores:check_books": "takes a lock, then audits",
    "relay.worker.chores:forget_raw": "once an hour, a thousand rows at a time",
    # The operator.
    "relay.channels.directory:find_same_account": _COMMAND,
    "relay.database.facts:read_facts": _COMMAND,
    "relay.database.facts:_ask_the_time": _COMMAND,
    "relay.database.pooler:_server_pid": _COMMAND,
    "relay.desk.sealed:check_keys": _COMMAND,
    "relay.tasks.recent:read_recent": _COMMAND,
    "relay.channels.edit:add_channel": _COMMAND,
    "relay.channels.edit:lock_keys": _COMMAND,
    "relay.deliveries.read:count_due": _COMMAND,
    "relay.channels.edit:remove_channel": _COMMAND,
    "relay.desk.channels:remove_channel": _COMMAND,
    "relay.tenants.edit:remove_tenant": _COMMAND,
    "relay.desk.tenants:remove_tenant": _COMMAND,
    "relay.tasks.live:count_live": _COMMAND,
    "relay.tenants.edit:rename_tenant": _COMMAND,
    "relay.tenants.read:count_tenants": _COMMAND,
    "relay.tenants.tokens:revoke_tokens": _COMMAND,
    "relay.channels.read:channel_names": _COMMAND,
    "relay.channels.read:find_channel": _COMMAND,
    "relay.channels.read:read_rows": _COMMAND,
    "relay.deliveries.webhook_secrets:issue_secret": _COMMAND,
    "relay.ledger.read:read_accounts": _COMMAND,
    "relay.ledger.accounts:set_tasks_max": _COMMAND,
    "relay.ledger.read:topup_of": _COMMAND,
    "relay.ledger.entries:_enter": _COMMAND,
    "relay.ledger.read:check_currency": f"{_START}, and {_COMMAND}; one row",
    "relay.ledger.accounts:open_account": _COMMAND,
    "relay.owners.claim:claim": _COMMAND,
    "relay.owners.read:list_owners": _COMMAND,
    "relay.pricing.prices:read_misses": _COMMAND,
    "relay.pricing.edit:lock_prices": _COMMAND,
    "relay.pricing.edit:remove_price": _COMMAND,
    "relay.pricing.edit:set_price": _COMMAND,
    "relay.tasks.inspect:_list": _COMMAND,
    "relay.tasks.inspect:read_story": _COMMAND,
    "relay.desk.act:act": "a SET, before an act",
    "relay.desk.tasks:_lock_task": _COMMAND,
    "relay.desk.tenants:change_tenant": _COMMAND,
    "relay.tasks.flags:unflag": _COMMAND,
    "relay.tenants.edit:add_tenant": _COMMAND,
    "relay.tenants.read:find_tenant": _COMMAND,
    "relay.tenants.read:read_tenants": _COMMAND,
    "relay.tenants.read:read_tokens": _COMMAND,
    "relay.tenants.read:tenant_names": _COMMAND,
    "relay.pricing.prices:find_price": _COMMAND,
    "relay.desk.changes:note_change": _COMMAND,
    "relay.desk.tokens:revoke_token": _COMMAND,
    "relay.desk.changes:list_changes": _COMMAND,
    "relay.desk.changes:find_change": _COMMAND,
    "relay.tenants.tokens:_check_brought_key": _COMMAND,
    "relay.tenants.tokens:issue_token": _COMMAND,
    "relay.tenants.tokens:revoke_token": _COMMAND,
}
"""By module and function, as `test_hot_statements.py` names them; what is inside counts as it."""
