"""What an act would be refused for is told beside its field before anybody is asked to be sure."""

from html import unescape

from tests.console.test_gate import charged_task
from tests.console.test_tenants import id_of
from tests.console.visiting import visiting
from tests.relay_app import fixture_relay

PAID = {"kind": "paid", "amount": "20", "reference": "wx-1"}
CODES = {"name": "spring", "kind": "paid", "amount": "2", "count": "3", "forever": "on"}
OPEN = {"name": "gamma", "quota": "5", "lang": "en", "base_url": "https://relay.test"}


async def test_what_would_be_refused_is_refused_before_one_is_sure(database_url: str) -> None:
    """And of an act that would be done, nothing stays until somebody is sure of it."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        task = await charged_task(relay)
        acme = await id_of(relay, "acme")
        here = f"/tenants/{acme}"
        assert (await ann.post(f"{here}/top-up", **PAID, sure="20000000")).status_code == 303
        made = await ann.post("/money/codes/make", **CODES, sure="6000000")
        assert made.status_code == 200, made.text
        counted = (
            "SELECT (SELECT count(*) FROM changes) AS changes,"
            " (SELECT count(*) FROM entries) AS entries, (SELECT count(*) FROM tenants) AS tenants,"
            " (SELECT count(*) FROM codes) AS codes, (SELECT sum(quota_micros) FROM accounts) AS q"
        )
        before = await relay.row(counted)
        refused = [
            (f"{here}/top-up", PAID | {"amount": "21"}, "reference", "stands for 20.00"),
            (f"{here}/top-up", PAID | {"amount": "-1", "reference": "r"}, "amount", "correction"),
            ("/money/codes/make", CODES, "name", "Another one is called that."),
            ("/money/codes/make", CODES | {"name": "b", "amount": "0"}, "amount", "more than 0"),
            ("/tenants/open", OPEN | {"name": "acme"}, "name", "Another one is called that."),
            ("/tenants/open", OPEN | {"name": "acme/eu"}, "name", "is a sub-tenant's"),
            (f"/tasks/{task}/refund", {"amount": "9", "reason": "quality"}, "amount", "is left"),
            (f"/tasks/{task}/refund", {"amount": "0", "reason": "quality"}, "amount", "more than"),
        ]
        for path, fields, field, says in refused:
            answer = await ann.post(path, **fields)
            told = unescape(answer.text)
            beside = told.partition(f'id="{field}-error" class="error">')[2].partition("<")[0]
            assert (answer.status_code >= 400, bool(beside), says in beside) == (True,) * 3, (
                *(path, fields, beside),
            )
            assert 'class="banner warn"' not in told, (path, fields)
        for path, fields in (
            (f"{here}/top-up", PAID | {"reference": "wx-2"}),
            (f"{here}/adjust", {"amount": "-1", "reason": "fee"}),
            (f"{here}/credit", {"credit": "4", "reason": "monthly"}),
            ("/money/codes/make", CODES | {"name": "b"}),
            ("/tenants/open", OPEN),
            (f"/tasks/{task}/refund", {"amount": "0.1", "reason": "quality"}),
        ):
            answer = await ann.post(path, **fields)
            assert (answer.status_code, 'class="banner warn"' in answer.text) == (200, True), path
        assert await relay.row(counted) == before
        again = await ann.post(f"{here}/top-up", **PAID)
        assert again.headers["location"].endswith("?said=added-before"), "nothing to be sure of"
