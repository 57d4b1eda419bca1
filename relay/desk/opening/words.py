"""The words of the sheet that a new tenant is sent, in English and in Chinese."""

import msgspec

from relay.limits.tables import LimitKind
from relay.pricing.book import Per


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """One language."""

    language: str
    """As HTML names it."""
    title: str
    for_whom: str
    contact: str
    date: str
    once: str
    begin: str
    base_url: str
    base_url_v1: str
    base_url_bare: str
    keys: str
    which_key: str
    key_names: dict[str, str]
    examples: str
    by_api_key: str
    by_key_pair: str
    by_sdk: str
    prices: str
    prices_say: str
    price_columns: tuple[str, ...]
    any_model: str
    whatever: str
    options: dict[str, tuple[str, str]]
    """Of what a row tells apart: with it, and without. What is priced by image has image inputs."""
    seconds: str
    per: dict[Per, str]
    from_hour: str
    limits: str
    quota: str
    tasks_max: str
    kinds: dict[LimitKind, str]
    no_limits: str
    limits_say: str
    callbacks: str
    callbacks_say: str
    more: str
    more_say: str


EN = Words(
    language="en",
    title="Access to Kling for {name}",
    for_whom="For",
    contact="Contact",
    date="Made",
    once="This sheet holds your keys. It was made once, and nobody can read them again: keep it as"
    " you keep a password, and ask for new keys if it was lost.",
    begin="Begin",
    base_url="Base URL",
    base_url_v1="for clients that want /v1 in it",
    base_url_bare="for new-api, one-api (channel type Kling)",
    keys="Your keys",
    which_key="The API key goes into `Authorization: Bearer …` as it is. Clients that sign, as"
    " Kling's own SDKs do, take the access key and the secret key in place of Kling's. Both are"
    " the same account.",
    key_names={
        "api_key": "API key",
        "access_key": "Access key",
        "secret_key": "Secret key",
        "webhook_secret": "Webhook secret",
    },
    examples="Examples",
    by_api_key="With the API key; the second call asks for what became of it:",
    by_key_pair="With the access key and the secret key, in Python, as Kling's own samples sign:",
    by_sdk="In TypeScript, with `kling-api`; with the Vercel AI SDK it is `createKlingAI` with the"
    " same base URL and keys:",
    prices="Prices",
    prices_say="In {currency}, as they are now. Each create reserves the most that it may cost;"
    " only what succeeds is charged, and never more than was reserved. `GET {origin}/relay/prices`"
    " has them at any time, `POST {origin}/relay/quote` says what a create would cost.",
    price_columns=("Model", "Mode", "With", "Calls", ">Price", "Per"),
    any_model="any",
    whatever="all others",
    options={
        "sound": ("sound", "no sound"),
        "voice": ("voice", ""),
        "video_input": ("video input", "no video input"),
        "image_input": ("image input", "no image input"),
    },
    seconds="{seconds} s",
    per={Per.TASK: "task", Per.SECOND: "second", Per.IMAGE: "image"},
    from_hour="{hours} h",
    limits="What you may use",
    quota="Quota",
    tasks_max="Tasks at a time",
    kinds={
        LimitKind.DAY: "At most a day",
        LimitKind.WEEK: "At most a week",
        LimitKind.MONTH: "At most a month",
        LimitKind.TOTAL: "At most in all",
        LimitKind.TASK: "Price of one task",
        LimitKind.IN_FLIGHT: "Tasks that have not ended",
        LimitKind.RATE: "Creates a second",
    },
    no_limits="no other limit than your quota",
    limits_say="Days, weeks and months are those of {timezone}. `GET {origin}/relay/limits` and"
    " `/relay/balance` say what is left.",
    callbacks="Callbacks",
    callbacks_say="Send `callback_url` with a create as at Kling: each change of its status is"
    " posted there. The header `webhook-signature` is by Standard Webhooks"
    " (standardwebhooks.com), with your webhook secret: check it. A slow poll beside them costs"
    " nothing.",
    more="Everything else",
    more_say="All else is Kling's own API: the same paths, bodies, statuses and error codes."
    " `GET {origin}/relay/openapi.json`, with your key, describes all of it. With a question"
    " about a request send its `request_id`, and never a key.",
)
