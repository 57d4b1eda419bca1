"""Each form that is posted, of all pages: what becomes of it when it is sent twice."""

import re
from itertools import chain

from relay.console.gate import SITE
from relay.portal.gate import TEMPLATES as OF_PORTAL

POSTS = re.compile(r'<form\b[^>]*?\bmethod="post"')
KEY = "forms.once("
"""Of a form, under which it is done once."""
THE_SAME_TWICE = {
    "what it makes has a name that nothing else has": (
        *("console/channels/form", "console/operators/form", "console/money/codes_make"),
        *("console/tenants/open", "console/tenants/open_below", "portal/keys/tenant"),
    ),
    "it names what it replaces, which is replaced by then": (
        *("console/tenants/change", "console/tenants/token_act", "console/tenants/secret"),
        *("console/logins/second_factor", "console/prices/official", "portal/keys/act"),
        *("portal/callbacks/signature", "portal/callbacks/signature#2"),
    ),
    "an invoice covers what no other one does": (
        *("console/money/profile", "portal/money/invoices"),
    ),
    "a create has its Idempotency-Key": ("portal/try/confirm", "portal/studio/confirm"),
    "what failed is begun again, and has not failed by then": ("portal/studio/retry",),
    "a code is redeemed once": ("console/money/redeem", "portal/money/money"),
    "it says how something is to be, and by then it is so": (
        *("console/alerts/rule", "console/alerts/rule#2", "console/logins/password"),
        *("console/money/invoice_act", "console/money/profile_change", "console/prices/set"),
        *("console/prices/file", "console/prices/multiplier", "console/prices/multipliers"),
        *("console/tenants/limit", "portal/keys/change", "portal/keys/limit"),
        "portal/money/profile",
    ),
    "it ends something, which is over by then": (
        *("console/alerts/remove", "console/channels/act", "console/logins/me"),
        *("console/logins/no_factor", "console/logins/no_password", "console/logins/sessions"),
        *("console/money/close", "console/money/revoke", "console/operators/one"),
        *("console/operators/remove", "console/operators/revoke", "console/pauses/end"),
        *("console/prices/end", "console/tenants/notice_remove", "console/tenants/portal_end"),
        *("console/tenants/remove", "console/base", "portal/base", "portal/callbacks/unplace"),
        *("portal/keys/close", "portal/keys/sessions", "portal/tasks/cancel"),
        *("portal/files/delete", "portal/studio/cancel"),
    ),
    "what is due is not made due again; what it tells has an id, by which it is known": (
        *("console/deliveries/replay", "console/tenants/notices", "console/tenants/notices#2"),
        *("portal/callbacks/replay", "portal/callbacks/notices", "portal/tasks/one"),
    ),
    "the same content is the file that it was": ("portal/files/list",),
    "one test more, of nobody's books": (
        *("console/alerts/list", "console/channels/test", "console/tenants/callbacks"),
        "portal/callbacks/ping",
    ),
    "one copy more, and none beside one that is being made": ("console/backup/backup",),
    "it asks alone": (
        *("console/money/bill", "console/money/bill#2", "console/prices/simulate"),
        *("portal/try/form", "portal/studio/panel"),
    ),
    "it lets a person in, by a link that is good once, or by a password": (
        *("console/enter", "console/login", "portal/enter", "portal/login"),
    ),
}


def test_each_form_is_done_once_or_comes_to_the_same_twice() -> None:
    """A new one needs a key, or a reason here; each reason is of a form that there is."""
    sites = {"console": SITE.templates, "portal": OF_PORTAL}
    with_key: set[str] = set()
    without: set[str] = set()
    for site, root in sites.items():
        for file in sorted(root.rglob("*.html")):
            page = file.read_text()
            assert not re.search(r"method=(?!\"(post|dialog)\")", page), "it would be overlooked"
            for number, form in enumerate(POSTS.finditer(page), 1):
                body = page[form.start() : page.index("</form>", form.end())]
                name = f"{site}/{file.relative_to(root)}".removesuffix(".html")
                (with_key if KEY in body else without).add(
                    name if number == 1 else f"{name}#{number}"
                )

    assert without == set(chain.from_iterable(THE_SAME_TWICE.values()))
    assert len(with_key) > 10
