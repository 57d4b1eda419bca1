"""All checks, each for itself: what cannot be asked is said, and the others go on."""

import asyncio
from collections.abc import Iterator

from relay.assets.read import read_keeping
from relay.channels.directory import read_channels
from relay.cli.check.outside import check_public_url
from relay.cli.database import (
    Database,
    current_settings,
    data_dir,
    key_ring,
    open_url,
    refuse_a_second,
    this_machine,
)
from relay.cli.endpoints import catalogue
from relay.cli.failure import DatabaseBehind, Failure, WrongSettings
from relay.cli.revision import (
    Found,
    look_or_failure,
    newest,
    refuse_other_currency,
    refuse_other_pool,
    refuse_strange,
    spelled,
)
from relay.database.embedded import is_made
from relay.database.facts import read_facts
from relay.database.pooler import Pooler, find_pooler
from relay.desk.check.business import check_arrivals, check_business, check_keys
from relay.desk.check.disk import check_disk
from relay.desk.check.finding import Finding, bad, good, warning
from relay.desk.check.judge import (
    judge_clock,
    judge_database,
    judge_pool,
    judge_pooler,
)
from relay.desk.check.kept_files import check_kept_files
from relay.desk.check.proxies import check_proxies
from relay.desk.check.settings import check_settings
from relay.desk.check.templates import check_templates
from relay.secrets import KeyRing, new_secret_key
from relay.settings import Settings


def examine() -> list[Finding]:
    """Run every check, in the order in which they are to be mended."""
    try:
        settings, known = current_settings(), catalogue()
    except WrongSettings as failure:
        return [bad("settings", str(failure), "mend this first: nothing else was checked")]
    return [
        *check_settings(settings, this_machine()),
        *check_templates(settings, known),
        *_check_database(settings),
    ]


def _check_database(settings: Settings) -> Iterator[Finding]:
    directory = data_dir(settings)
    try:
        if settings.database_url is None and not is_made(directory):
            refuse_a_second(settings)
            yield warning(
                "database",
                f"there is none yet in {directory}",
                "the first other command makes an embedded one; RELAY_DATABASE_URL names another",
            )
        else:
            with open_url(settings) as url:
                yield from _check_opened(settings, url)
    except Failure as failure:
        yield bad(
            "database", str(failure), "see that it runs, and that RELAY_DATABASE_URL names it"
        )
        yield from _not_checked()


def _not_checked() -> Iterator[Finding]:
    for subject in ("schema", "secret key", "clock", "public URL", "callbacks", "disk"):
        yield warning(subject, "not checked, since the database cannot be asked")


def _check_opened(settings: Settings, url: str) -> Iterator[Finding]:
    found = look_or_failure(url)
    is_embedded = settings.database_url is None
    if not is_embedded:
        pooler = asyncio.run(find_pooler(url))
        yield judge_pooler(pooler)
        if pooler is Pooler.TRANSACTION:
            yield from _not_checked()
            return
    if settings.database_pool_url is not None:
        yield _check_pool(url, settings.database_pool_url)
    keys, key_trouble = _key_ring(settings)
    database = Database(settings, url, keys, is_embedded)
    facts = database.read(read_facts)
    directory = data_dir(settings) if is_embedded else facts.directory
    where = f"embedded in {data_dir(settings)}" if is_embedded else spelled(url)
    yield from judge_database(facts, where, connections=settings.database_connections)
    yield judge_schema(found, is_embedded=is_embedded)
    yield _judge_currency(found, settings.currency)
    yield judge_clock(facts.ahead_s)
    if found.is_usable:
        yield key_trouble or database.read(lambda session: check_keys(session, keys))
        yield from database.read(lambda session: check_business(session, settings))
        if key_trouble is None:
            yield from _check_proxies(database)
    if key_trouble is None:
        yield asyncio.run(check_public_url(settings.public_url, keys))
    if found.is_usable:
        yield from database.read(
            lambda session: check_arrivals(session, settings, directory=directory)
        )
        keeping = database.read(read_keeping)
        yield from asyncio.run(check_kept_files(keeping, settings))
    yield from check_disk(directory, database_bytes=facts.bytes)


def _check_pool(url: str, pool_url: str) -> Finding:
    subject = "database pool"
    try:
        refuse_other_pool(url, pool_url)
    except Failure as failure:  # also WrongSettings
        return bad(subject, str(failure), "mend or remove RELAY_DATABASE_POOL_URL")
    return judge_pool(asyncio.run(find_pooler(pool_url)))


def _key_ring(settings: Settings) -> tuple[KeyRing, Finding | None]:
    """Read the keys; without any that can be used, one that opens nothing, and what is wrong."""
    try:
        return key_ring(settings), None
    except WrongSettings as failure:
        trouble = bad("secret key", str(failure), "set it to what the database was written with")
        return KeyRing.parse(new_secret_key()), trouble


def _check_proxies(database: Database) -> list[Finding]:
    try:
        channels = database.read(lambda session: read_channels(session, database.keys))
    except WrongSettings:
        return []  # the line about the secret key says it
    return asyncio.run(check_proxies(channels))


def judge_schema(found: Found, *, is_embedded: bool) -> Finding:
    subject, needed = "schema", newest()
    at = "has no tables yet" if found.revision is None else f"is at revision {found.revision}"
    if found.revision == needed:
        return good(subject, f"it {at}")
    if found.is_usable:
        return warning(
            subject,
            f"it {at}, newer than this version's {needed}, which runs on it",
            "update this one too, once the newer version is to stay",
        )
    if is_embedded:
        return warning(subject, f"it {at}, this version needs {needed}", "the next command does it")
    to_do = "`relay migrate`"
    try:
        refuse_strange(found)
    except DatabaseBehind as failure:
        to_do = str(failure)
    return bad(subject, f"it {at}, and this version needs {needed}", to_do)


def _judge_currency(found: Found, currency: str) -> Finding:
    subject = "currency"
    try:
        refuse_other_currency(found, currency)
    except WrongSettings as failure:
        return bad(subject, str(failure), f"RELAY_CURRENCY={found.currency}")
    if found.currency is None:
        return good(subject, f"{currency}, from the first entry on")
    return good(subject, f"{currency}, as the books")
