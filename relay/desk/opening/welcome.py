"""The sheet that a new tenant is sent: where, with which keys, at which prices, within what."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.choices import Language
from relay.desk.opening.paper import Code, Facts, Grid, Head, Paper, Part, Says
from relay.desk.opening.whole import Opened
from relay.desk.opening.words import EN, Words
from relay.desk.opening.words_zh import ZH
from relay.ledger.tables import Account
from relay.limits.read import LimitSeen, read_limits
from relay.limits.tables import IN_MICROS
from relay.money import MICROS, money, plain
from relay.pricing.book import ANY_ENDPOINT, Per, PriceRow
from relay.pricing.in_force import read_prices
from relay.pricing.offered import Offer, offers
from relay.pricing.quote import UnitPrices
from relay.pricing.validity import spelt_hours
from relay.settings import Settings

MODEL = "kling-v2-5-turbo"
"""Of the examples, where it is sold; else the first one that is."""
CURL = """\
curl -s {base}/v1/videos/text2video \\
  -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' \\
  -d '{{"model_name": "{model}", "prompt": "a paper boat on a pond", "duration": "5"}}'

curl -s {base}/v1/videos/text2video/TASK_ID -H "Authorization: Bearer $API_KEY\""""
PYTHON = """\
import time, httpx, jwt  # pip install httpx pyjwt

BASE_URL = "{base}"
ACCESS_KEY, SECRET_KEY = "…", "…"


def bearer() -> str:
    now = int(time.time())
    claims = {{"iss": ACCESS_KEY, "exp": now + 1800, "nbf": now - 5}}
    return "Bearer " + jwt.encode(claims, SECRET_KEY, algorithm="HS256")


with httpx.Client(base_url=BASE_URL) as kling:
    body = {{"model_name": "{model}", "prompt": "a paper boat", "duration": "5"}}
    made = kling.post(
        "/v1/videos/text2video", json=body, headers={{"Authorization": bearer()}}
    )
    print(made.json())"""
TYPESCRIPT = """\
import {{ KlingAPI }} from 'kling-api';

const kling = new KlingAPI({{
  baseUrl: '{base}',
  accessKey: process.env.KLING_ACCESS_KEY,
  secretKey: process.env.KLING_SECRET_KEY,
}});
const task = await kling.textToVideo({{
  prompt: 'a paper boat', model_name: '{model}', duration: '5',
}});
const done = await kling.waitForVideoResult(task.data.task_id);"""


WORDS = {Language.EN: EN, Language.ZH: ZH}


class Welcome(msgspec.Struct, frozen=True):
    """What a sheet says; with the keys, which are never read again."""

    opened: Opened
    origin: str
    """Where tenants find the relay: what stands before `/kling`."""
    currency: str
    timezone: str
    quota_micros: int
    tasks_max: int | None
    limits: list[LimitSeen]
    offers: list[Offer]
    at: datetime

    def __repr__(self) -> str:
        return f"Welcome({self.opened!r})"


async def read_welcome(
    session: AsyncSession, opened: Opened, *, origin: str, settings: Settings
) -> Welcome:
    """Read what a tenant that was just opened is told, in the transaction that opened it."""
    tenant = opened.tenant
    account = await session.get_one(Account, tenant.account_id, populate_existing=True)
    prices = await read_prices(session, settings.zone)
    units = UnitPrices(*settings.unit_prices_micros)
    return Welcome(
        opened,
        origin.rstrip("/"),
        settings.currency,
        settings.timezone,
        account.quota_micros,
        account.tasks_max,
        await read_limits(session, tenant_ids=[tenant.id]),
        offers(prices, units, tenant.id, tenant.price_group),
        prices.at,
    )


def lay_out(welcome: Welcome, language: Language) -> Paper:
    words = WORDS[language]
    tenant = welcome.opened.tenant
    return Paper(words.language, words.title.format(name=tenant.name), [*_parts(welcome, words)])


def _parts(welcome: Welcome, words: Words) -> Iterator[Part]:
    tenant, token = welcome.opened.tenant, welcome.opened.token
    of = {"origin": welcome.origin, "currency": welcome.currency, "timezone": welcome.timezone}
    base = f"{welcome.origin}/kling"
    contact = [(words.contact, tenant.contact)] if tenant.contact else []
    made = f"{welcome.at:%Y-%m-%d %H:%MZ}"
    yield Facts([(words.for_whom, tenant.name), *contact, (words.date, made)])
    yield Says(words.once)
    yield Head(words.begin)
    yield Facts(
        [
            (words.base_url, base),
            (words.base_url_v1, f"{base}/v1"),
            (words.base_url_bare, welcome.origin),
        ]
    )
    yield Head(words.keys)
    secrets = {"webhook_secret": welcome.opened.webhook_secret}
    secrets |= {name: getattr(token, name) for name in ("api_key", "access_key", "secret_key")}
    yield Facts([(said, secrets[name]) for name, said in words.key_names.items()])
    yield Says(words.which_key)
    yield Head(words.examples)
    for said, language, code in (
        (words.by_api_key, "sh", CURL),
        (words.by_key_pair, "python", PYTHON),
        (words.by_sdk, "ts", TYPESCRIPT),
    ):
        yield Says(said)
        yield Code(language, code.format(base=base, model=_model(welcome.offers)))
    yield Head(words.limits)
    yield Facts(_limits(welcome, words), are_copied=False)
    yield Says(words.limits_say.format(**of))
    yield Head(words.callbacks)
    yield Says(words.callbacks_say)
    yield Head(words.more)
    yield Says(words.more_say.format(**of))
    yield Head(words.prices)
    yield Says(words.prices_say.format(**of))
    yield Grid(words.price_columns, _priced(welcome.offers, words))


def _limits(welcome: Welcome, words: Words) -> list[tuple[str, str]]:
    found = [(words.quota, money(welcome.quota_micros, welcome.currency))]
    if welcome.tasks_max is not None:
        found.append((words.tasks_max, str(welcome.tasks_max)))
    for one in welcome.limits:
        is_money = one.kind in IN_MICROS
        amount = money(one.allows, welcome.currency) if is_money else str(one.allows)
        found.append((words.kinds[one.kind], amount))
    return found if len(found) > 1 else [(words.quota, f"{found[0][1]}, {words.no_limits}")]


def _priced(listed: Sequence[Offer], words: Words) -> list[list[str]]:
    """Spell a line for each price; calls that are priced alike share one."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for one in listed:
        row = one.row
        key = (
            row.model or words.any_model,
            row.mode or "",
            _options(row, words),
            plain((one.micros / MICROS).normalize()),
            words.per[row.per],
        )
        named = words.whatever if row.endpoint == ANY_ENDPOINT else row.endpoint
        lines.setdefault(key, []).append(named)
    spelt = [
        [model, mode, options, ", ".join(dict.fromkeys(calls)), price, per]
        for (model, mode, options, price, per), calls in lines.items()
    ]
    return sorted(spelt, key=lambda line: (line[0] == words.any_model, line[0]))


def _options(row: PriceRow, words: Words) -> str:
    said = []
    for name in ("sound", "voice", "video_input"):
        value = getattr(row, name)
        if value is not None:
            is_image = name == "video_input" and row.per is Per.IMAGE
            with_it, without = words.options["image_input" if is_image else name]
            said.append(with_it if value else without)
    if row.duration_s is not None:
        said.append(words.seconds.format(seconds=row.duration_s))
    if row.hours is not None:
        said.append(words.from_hour.format(hours=spelt_hours(row.hours)))
    return ", ".join(filter(None, said))


def _model(listed: Sequence[Offer]) -> str:
    sold = [one.row.model for one in listed if one.row.endpoint == "text2video" and one.row.model]
    return MODEL if MODEL in sold or not sold else sold[0]
