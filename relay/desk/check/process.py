"""What a process that runs can tell: all but the public URL, which is asked from outside."""

from sqlalchemy import text

from relay.assets.read import read_keeping
from relay.channels.directory import read_channels
from relay.database.facts import read_facts
from relay.desk.check.business import check_arrivals, check_business, check_keys
from relay.desk.check.disk import check_disk
from relay.desk.check.finding import Finding
from relay.desk.check.judge import judge_clock, judge_database
from relay.desk.check.kept_files import check_kept_files
from relay.desk.check.proxies import check_proxies
from relay.desk.check.settings import check_settings
from relay.desk.check.templates import check_templates
from relay.desk.office import Office
from relay.machine import Machine
from relay.secrets import SecretKeyError

SPELLED = "as this process reaches it"


async def check_process(office: Office, *, timeout_ms: int | None = None) -> list[Finding]:
    """Look at settings, database, keys, business, arrivals, proxies and disk; changes nothing.

    `timeout_ms`: of each statement.

    Raises:
        Busy: something else that is long is under way.
    """
    settings = office.settings
    async with office.alone(), office.patient.begin() as session:
        if timeout_ms is not None:
            await session.execute(text(f"SET LOCAL statement_timeout = {timeout_ms}"))
        facts = await read_facts(session)
        findings = [
            *check_settings(settings, Machine()),
            *check_templates(settings, office.catalogue),
            *judge_database(facts, SPELLED, connections=settings.database_connections),
            judge_clock(facts.ahead_s),
            await check_keys(session, office.keys),
            *await check_business(session, settings),
            *await check_arrivals(session, settings, directory=facts.directory),
            *check_disk(facts.directory, database_bytes=facts.bytes),
        ]
        keeping = await read_keeping(session)
        try:
            channels = await read_channels(session, office.keys)
        except SecretKeyError:
            channels = []  # the line about the secret key says it
    findings += await check_kept_files(keeping, settings)
    return findings + await check_proxies(channels)
