"""What a recording shows of each example, said as differences from what was promised."""

import json
from collections.abc import Iterator

from relay.kling.endpoint import EndpointKind
from tests.corpus.bytes_of import differences, leaves, under
from tests.corpus.play import Recorded

COSTS = ("quota", "list_price")
OF_A_QUERY = {
    ".task_status_msg": b'""',
    ".watermark_info.enabled": b"false",
    ".message": b'""',
    ".external_id": b'""',
    ".outputs": b"[]",
    ".billing": b"[]",
}
"""What a query of Kling's has, with its empty values, where a create or a callback has nothing."""
CREDENTIAL = b'"http://relay.test/internal/callback/'


def wrong_requests(one: Recorded) -> list[str]:
    """T1: all fields in their own bytes, but for the two that are ours; a delete's own one only."""
    expected, got = leaves(one.sent), leaves(one.arrived["body"].encode())
    endpoint = one.example.endpoint
    if endpoint.deletes is not None:
        documented = {f".{reference.path}" for reference in endpoint.references}
        expected = {name: value for name, value in expected.items() if name in documented}
    url, external_id = (
        "." + ".".join(names) for names in (endpoint.callback_field, endpoint.external_id_field)
    )
    expected.pop(url, None), expected.pop(external_id, None)
    wrong = []
    if endpoint.kind is EndpointKind.TASK:
        if not got.pop(url, b"").startswith(CREDENTIAL):
            wrong.append("Kling was not told our callback URL")
        ours = one.row.get("injected_id", "")
        if got.pop(external_id, b"") != b'"%b"' % ours.encode():
            wrong.append("Kling was not told our external id")
    if one.arrived["path"] != one.example.path:
        wrong.append(f"it went to {one.arrived['path']}")
    return wrong + differences(expected, got)


def wrong_reply(one: Recorded) -> list[str]:
    """T2: the reply to the create or call, shell included."""
    assert one.created.kling is not None, "Kling was asked"
    expected = as_tenant(leaves(one.created.kling.reply.body), one)
    wrong = differences(expected, leaves(one.created.response.content))
    if one.created.response.status_code != one.created.kling.reply.status:
        wrong.append("the HTTP status differs")
    return wrong


def wrong_queries(one: Recorded) -> Iterator[str]:
    """T2: each query after the end shows what Kling said last."""
    for kind, answered in one.queries.items():
        if kind == "external id" and not one.example.endpoint.is_found_by_external_id:
            if (answered.response.status_code, answered.code) != (400, 1201):
                yield "found by an external id, which Kling does not do"
            continue
        assert answered.kling is not None, "Kling was asked"
        told = leaves(answered.kling.reply.body)
        is_list = any(name.startswith(".data.0") for name in told)
        expected = as_tenant(under(told, ".data.0" if is_list else ".data"), one)
        got = leaves(answered.response.content)
        yield from (f"{kind}: {text}" for text in differences(expected, _only(got, one)))
        if (got.get(".code"), got.get(".message")) != (b"0", b'"SUCCEED"'):
            yield f"{kind}: the shell is not Kling's"


def _only(got: dict[str, bytes], one: Recorded) -> dict[str, bytes]:
    """The one task of a reply's `data`, be it an object, a list or a page."""
    wanted = b'"%b"' % one.kling_id.encode()
    for name, value in got.items():
        parent, _, last = name.rpartition(".")
        if value == wanted and last in {"task_id", "id"}:
            return under(got, parent)
    return {}


def wrong_deliveries(one: Recorded) -> Iterator[str]:
    """What the tenant is to be told is each callback of Kling's, in its own shape."""
    callbacks = {_status(body): leaves(body) for body in one.callbacks}
    delivered = {_status(row["body"].encode()): row["body"].encode() for row in one.deliveries}
    if not {"succeed", "succeeded"} & set(delivered):
        yield "the end is not told"
    if any(row["url"] != "https://tenant.example/hook?a=b" for row in one.deliveries):
        yield "told to another URL"
    assert one.created.kling is not None, "Kling was asked"
    created = under(leaves(one.created.kling.reply.body), ".data")
    created = {name: value for name, value in created.items() if not name.startswith(".odd")}
    for status, body in delivered.items():
        # The first status is learned from the create's reply or from its callback, whichever came.
        sources = [*([created] if status == "submitted" else []), callbacks.get(status, {})]
        is_ended = status.startswith("succe")
        got = leaves(body)
        empty = {name: value for name, value in OF_A_QUERY.items() if got.get(name) == value}
        found = [
            differences(empty | as_tenant(told, one, is_ended=is_ended), got) for told in sources
        ]
        if all(found):
            yield from (f"{status}: {text}" for text in found[0])


def _status(body: bytes) -> str:
    data = json.loads(body)
    return str(data.get("task_status") or data["status"])


def as_tenant(told: dict[str, bytes], one: Recorded, *, is_ended: bool = True) -> dict[str, bytes]:
    """What the tenant must see of Kling's values (T2), all others in Kling's own bytes."""
    charged = one.row.get("charged_micros") if is_ended else 0
    external_id = json.dumps(one.external_id, ensure_ascii=False).encode()
    shown = {}
    for name, value in told.items():
        parent, _, last = name.rpartition(".")
        own = value
        if name.endswith((".task_info.external_task_id", ".external_id")):
            own = external_id
        elif last == "owned_by":
            own = b'"%d"' % one.tenant_id
        elif parent.endswith(".final_balance_deduction") and last in COSTS:
            own = b'"%b"' % f"{(charged or 0) / 1_000_000:.10g}".encode()
        shown[name] = own
    return shown


def wrong_money(one: Recorded, unit_micros: int) -> list[str]:
    """The hold covers the charge, and the charge is what the sandbox deducted."""
    row = one.row
    wrong = []
    if row["charged_micros"] > row["hold_micros"]:
        wrong.append(f"held {row['hold_micros']}, charged {row['charged_micros']}")
    units = float(one.units or 0)
    if row["charged_micros"] != round(units * unit_micros):
        wrong.append(f"charged {row['charged_micros']} for {units} units")
    return wrong
