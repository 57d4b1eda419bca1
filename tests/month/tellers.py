"""Two who run the same business: one types `relay`, the other is a program of the admin API."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import msgspec

from relay.money import decimal_of
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.admin.office import Asking
from tests.cli.command import Command


class Teller(Protocol):
    """What an operator says and asks in a month; amounts are micros, documents are JSON."""

    async def open_tenant(self, name: str, *, group: str, quota: int = 0) -> None: ...
    async def open_below(self, parent: str, name: str, *, factor: str) -> None: ...
    async def issue_token(self, tenant: str) -> IssuedToken: ...
    async def top_up(self, tenant: str, amount: int, reference: str, kind: str) -> None: ...
    async def make_code(self, batch: str, amount: int) -> str: ...
    async def redeem(self, tenant: str, code: str) -> None: ...
    async def adjust(self, tenant: str, amount: int, reason: str) -> None: ...
    async def give_credit(self, tenant: str, amount: int) -> None: ...
    async def multiply(self, group: str, times: str) -> None: ...
    async def set_amount(self, tenant: str, amount: int) -> None: ...
    async def set_cost(self, channel: str, price: str, rate: str, since: str) -> None: ...
    async def limit_month(self, token_id: int, amount: int) -> None: ...
    async def refund(self, task_id: int, amount: int | None, reason: str) -> None: ...
    async def close(self, account: str, month: str) -> None: ...
    async def set_profile(self, account: str, *, title: str, basis: str) -> None: ...
    async def request_invoice(self, account: str, month: str | None) -> int: ...
    async def issue_invoice(self, invoice_id: int, number: str) -> None: ...

    async def statement(self, account: str, month: str) -> Any: ...
    async def month(self, month: str) -> Any: ...
    async def usage(self, month: str, *keys: str) -> Any: ...
    async def margin(self, month: str, *keys: str) -> Any: ...
    async def losses(self, month: str) -> Any: ...
    async def entries(self, tenant: str) -> Any: ...
    async def limits(self, tenant: str) -> Any: ...
    async def invoices(self) -> Any: ...
    async def audit(self) -> Any: ...


class ByCommand:
    """At a terminal of the machine."""

    def __init__(self, command: Command, folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._thread = ThreadPoolExecutor(1)

    def _do(self, *args: str) -> Any:
        """Run one, which has a loop of its own; the relay's stands still, and so logs nothing."""
        return self._thread.submit(self._command, *args).result().stdout

    def _read(self, *args: str) -> Any:
        return msgspec.json.decode(self._do(*args, "--json"))

    async def open_tenant(self, name: str, *, group: str, quota: int = 0) -> None:
        self._do("tenant", "add", name, "--price-group", group, "--quota", decimal_of(quota))

    async def open_below(self, parent: str, name: str, *, factor: str) -> None:
        self._do("tenant", "add", name, "--parent", parent, "--factor", factor)

    async def issue_token(self, tenant: str) -> IssuedToken:
        return _issued(self._read("token", "add", tenant))

    async def top_up(self, tenant: str, amount: int, reference: str, kind: str) -> None:
        self._do("tenant", "topup", tenant, decimal_of(amount), "--ref", reference, "--kind", kind)

    async def make_code(self, batch: str, amount: int) -> str:
        of = ("--amount", decimal_of(amount), "--expires", "90d")
        (code,) = self._read("code", "make", "--name", batch, *of)["codes"]
        return str(code["code"])

    async def redeem(self, tenant: str, code: str) -> None:
        self._do("code", "redeem", tenant, code)

    async def adjust(self, tenant: str, amount: int, reason: str) -> None:
        self._do("tenant", "adjust", tenant, decimal_of(amount), "--reason", reason)

    async def give_credit(self, tenant: str, amount: int) -> None:
        self._do("tenant", "set", tenant, "--credit", decimal_of(amount), "--reason", "trusted")

    async def multiply(self, group: str, times: str) -> None:
        self._do("price", "multiply", times, "--price-group", group)

    async def set_amount(self, tenant: str, amount: int) -> None:
        self._do("price", "set", "text2video", "--tenant", tenant, "--amount", decimal_of(amount))

    async def set_cost(self, channel: str, price: str, rate: str, since: str) -> None:
        bought = ("--unit-price", price, "--currency", "CNY", "--rate", rate)
        self._do("channel", "cost", channel, *bought, "--from", since, "--yes")

    async def limit_month(self, token_id: int, amount: int) -> None:
        self._do("token", "set", str(token_id), "--limit-month", decimal_of(amount))

    async def refund(self, task_id: int, amount: int | None, reason: str) -> None:
        part = () if amount is None else ("--amount", decimal_of(amount))
        self._do("task", "refund", str(task_id), *part, "--reason", reason, "--yes")

    async def close(self, account: str, month: str) -> None:
        self._do("statement", "close", month, "--account", account, "--yes")

    async def set_profile(self, account: str, *, title: str, basis: str) -> None:
        self._do("invoice", "profile", account, "--title", title, "--by", basis)

    async def request_invoice(self, account: str, month: str | None) -> int:
        of = () if month is None else ("--month", month)
        return int(self._read("invoice", "request", account, *of)["id"])

    async def issue_invoice(self, invoice_id: int, number: str) -> None:
        self._do("invoice", "issue", str(invoice_id), "--number", number)

    async def statement(self, account: str, month: str) -> Any:
        return msgspec.json.decode(self._do("statement", account, month, "--format", "json"))

    async def month(self, month: str) -> Any:
        self._do("month", month, "--out", str(self._folder), "--format", "json")
        return msgspec.json.decode((self._folder / f"month-{month}.json").read_bytes())

    async def usage(self, month: str, *keys: str) -> Any:
        return self._read("usage", "--month", month, *(f"--by={key}" for key in keys))

    async def margin(self, month: str, *keys: str) -> Any:
        return self._read("margin", "--month", month, *(f"--by={key}" for key in keys))

    async def losses(self, month: str) -> Any:
        return self._read("margin", "--month", month, "--losses")

    async def entries(self, tenant: str) -> Any:
        return self._read("entry", "list", "--tenant", tenant)

    async def limits(self, tenant: str) -> Any:
        return self._read("limit", "list", tenant)

    async def invoices(self) -> Any:
        return self._read("invoice", "list")

    async def audit(self) -> Any:
        return self._read("audit")


class ByApi:
    """A program with a token of an owner's."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._below: dict[str, str] = {}
        """By names that have a slash, how a path names them."""

    async def _do(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = await self._asking(method, path, body, **query)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json()

    async def open_tenant(self, name: str, *, group: str, quota: int = 0) -> None:
        body = {"name": name, "price_group": group, "quota_micros": quota}
        await self._do("POST", "tenants", body)

    async def open_below(self, parent: str, name: str, *, factor: str) -> None:
        body = {"name": name, "factor": factor}
        opened = await self._do("POST", f"tenants/{parent}/sub-tenants", body)
        self._below[opened["name"]] = f"id:{opened['id']}"

    async def issue_token(self, tenant: str) -> IssuedToken:
        named = self._below.get(tenant, tenant)
        return _issued(await self._do("POST", f"tenants/{named}/tokens", {}))

    async def top_up(self, tenant: str, amount: int, reference: str, kind: str) -> None:
        body = {"amount_micros": amount, "reference": reference, "kind": kind}
        await self._do("POST", f"tenants/{tenant}/top-ups", body)

    async def make_code(self, batch: str, amount: int) -> str:
        body = {"name": batch, "amount_micros": amount, "expires_at": None}
        (code,) = (await self._do("POST", "codes", body))["codes"]
        return str(code["code"])

    async def redeem(self, tenant: str, code: str) -> None:
        await self._do("POST", f"tenants/{tenant}/redeem", {"code": code})

    async def adjust(self, tenant: str, amount: int, reason: str) -> None:
        body = {"amount_micros": amount, "reason": reason}
        await self._do("POST", f"tenants/{tenant}/adjustments", body)

    async def give_credit(self, tenant: str, amount: int) -> None:
        body = {"credit_micros": amount, "reason": "trusted"}
        await self._do("PUT", f"tenants/{tenant}/credit", body)

    async def multiply(self, group: str, times: str) -> None:
        await self._do("POST", "multipliers", {"times": times, "price_group": group})

    async def set_amount(self, tenant: str, amount: int) -> None:
        body = {"endpoint": "text2video", "tenant": tenant, "amount": decimal_of(amount)}
        await self._do("POST", "prices", body)

    async def set_cost(self, channel: str, price: str, rate: str, since: str) -> None:
        bought = {"unit": "video", "price": price, "currency": "CNY", "rate": rate}
        body = bought | {"valid_from": f"{since}T00:00:00Z"}
        await self._do("POST", f"channels/{channel}/costs", body)

    async def limit_month(self, token_id: int, amount: int) -> None:
        await self._do("PATCH", f"tokens/{token_id}/limits", {"month_micros": amount})

    async def refund(self, task_id: int, amount: int | None, reason: str) -> None:
        body = {"reason": reason} | ({} if amount is None else {"amount_micros": amount})
        await self._do("POST", f"tasks/{task_id}/refund", body)

    async def close(self, account: str, month: str) -> None:
        await self._do("POST", f"statements/{account}/{month}/close", {})

    async def set_profile(self, account: str, *, title: str, basis: str) -> None:
        body = {"title": title, "basis": basis}
        await self._do("PATCH", f"accounts/{account}/invoice-profile", body)

    async def request_invoice(self, account: str, month: str | None) -> int:
        body = {"account": account} | ({} if month is None else {"month": month})
        return int((await self._do("POST", "invoices", body))["id"])

    async def issue_invoice(self, invoice_id: int, number: str) -> None:
        await self._do("POST", f"invoices/{invoice_id}/issue", {"number": number})

    async def statement(self, account: str, month: str) -> Any:
        return await self._do("GET", f"statements/{account}/{month}")

    async def month(self, month: str) -> Any:
        return await self._do("GET", f"months/{month}")

    async def usage(self, month: str, *keys: str) -> Any:
        return (await self._do("GET", "usage", month=month, by=list(keys)))["usage"]

    async def margin(self, month: str, *keys: str) -> Any:
        return await self._do("GET", "margin", month=month, by=list(keys))

    async def losses(self, month: str) -> Any:
        return await self._do("GET", "margin/losses", month=month)

    async def entries(self, tenant: str) -> Any:
        return (await self._do("GET", "entries", tenant=tenant))["entries"]

    async def limits(self, tenant: str) -> Any:
        found = (await self._do("GET", "limits", tenant=tenant))["limits"]
        return sorted(found, key=lambda one: one["id"])  # newest first, as all of its lists

    async def invoices(self) -> Any:
        return (await self._do("GET", "invoices"))["invoices"]

    async def audit(self) -> Any:
        return await self._do("POST", "audit", {})


def _issued(document: dict[str, Any]) -> IssuedToken:
    return IssuedToken(**{**document, "scope": Scope(document["scope"])})
