"""The `relay` command: what the operator does, and how its processes are started.

- Data goes to stdout, logs and errors to stderr; `--json` prints one JSON document.
- Exit codes: 0 done; 1 refused or failed; 2 wrong usage or settings; 3 the database is behind.
- What a person may do wrong is answered with a sentence, never with a traceback.
- `relay --help` is quick: heavy packages are imported inside the commands that need them.
"""

import rich_click as click

from relay.cli.lazy import LazyGroup

COMMANDS = {
    "demo": ("relay.cli.demo:demo", "Watch the relay do its whole job, on this machine alone."),
    "serve": ("relay.cli.serve:serve", "Serve tenants, and look after their tasks."),
    "worker": ("relay.cli.serve:worker", "Look after tasks without serving tenants."),
    "sandbox": ("relay.cli.sandbox:sandbox", "Run a Kling of our own on this machine."),
    "channel": ("relay.cli.channel:channel", "Add and change Kling accounts."),
    "tenant": ("relay.cli.tenant:tenant", "Open, limit and top up tenants' accounts."),
    "token": (
        "relay.cli.token:token",
        "Issue and revoke tenants' keys; see what was done with one.",
    ),
    "limit": ("relay.cli.limit:limit", "Say what tenants and keys may spend and run at most."),
    "code": ("relay.cli.code:code", "Make codes that add quota once redeemed."),
    "price": ("relay.cli.price:price", "Set what tenants pay."),
    "task": ("relay.cli.task:task", "Look at tasks, and operate on one by hand."),
    "entry": ("relay.cli.entry:entry", "Read the ledger: what changed a quota, and to what."),
    "usage": ("relay.cli.usage:usage", "Sum up what was made, charged and taken by Kling."),
    "margin": ("relay.cli.margin:margin", "See what is left when Kling's units are paid for."),
    "statement": ("relay.cli.statement:statement", "Show an account's month, and close it."),
    "month": ("relay.cli.statement:month", "Write the statements of all accounts."),
    "apply": ("relay.cli.apply:apply", "Make channels, tenants and prices as a file says."),
    "export": ("relay.cli.export:export", "Write tables as JSON lines, or all as a file to apply."),
    "import": (
        "relay.cli.import_new_api:import_",
        "Take over another relay's tenants, keys, prices and channels.",
    ),
    "invoice": ("relay.cli.invoice:invoice", "Keep who wants invoices (fapiao), and over what."),
    "owner": ("relay.cli.owner:owner", "Say whose videos, elements and voices are."),
    "pause": ("relay.cli.pause:pause", "Stop creates for a while; all else goes on."),
    "delivery": ("relay.cli.delivery:delivery", "Look at tenants' callbacks, and send one again."),
    "asset": ("relay.cli.asset:asset", "Look at files of results that stay, and end one."),
    "template": ("relay.cli.template:template", "See workflows, and try one."),
    "notify": (
        "relay.cli.notify:notify",
        "Say where tenants are told of their quota, limits and prices.",
    ),
    "operator": (
        "relay.cli.operator:operator",
        "Say who may do what in the office, and how they enter.",
    ),
    "console": ("relay.cli.console:console", "Enter the office's pages from this machine."),
    "changes": ("relay.cli.changes:changes", "See who did what at the desk, and why."),
    "alert": ("relay.cli.alert:alert", "Say where alerts go; see, mute and bound them."),
    "check": ("relay.cli.check:check", "See what is wrong here, and what to do about it."),
    "audit": ("relay.cli.audit:audit", "Recompute the books and name what differs."),
    "backup": ("relay.cli.backup:backup", "Copy the whole database, sealed; see if copies work."),
    "restore": ("relay.cli.restore:restore", "Bring the database back from a copy, paused."),
    "recover": ("relay.cli.recover:recover", "See what was lost when the database was set back."),
    "migrate": ("relay.cli.migrate:migrate", "Bring the database to this version's schema."),
    "secret-key": ("relay.cli.secret_key:secret_key", "Make a fresh RELAY_SECRET_KEY."),
}
"""Where each command is, and what the list of commands says of it."""


def _print_version(ctx: click.Context, _parameter: click.Parameter, is_wanted: bool) -> None:  # noqa: FBT001 (click's signature)
    if not is_wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("kling-relay")
    except PackageNotFoundError:
        number = "(not installed: run from its source)"
    click.echo(f"kling-relay {number}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    context_settings={
        "max_content_width": 100,
        "rich_help_config": {"text_paragraph_linebreaks": "\n\n", "text_emojis": False},
    },
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def cli() -> None:
    """Resell Kling API capacity: relay tenants' requests, and keep the books right.

    Settings are environment variables RELAY_…, or a TOML file that RELAY_CONFIG names. Where
    neither names a database, they are those of /etc/kling-relay/relay.env: say `sudo relay …` on a
    machine that has one. Without any, every command uses one embedded Postgres of this user.
    """


def main() -> None:
    """Run the command of this process."""
    cli(prog_name="relay")
