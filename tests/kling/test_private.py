"""What of Kling's replies is the reseller's, in fields that no page lists."""

import json
from typing import Any

import pytest

from relay.kling.private import IN_REPLY, IN_TASK, NOWHERE, without_private


def task(**fields: Any) -> bytes:
    return json.dumps({"task_id": "1", **fields}).encode()


def cleaned(raw: bytes, costs: int = IN_TASK) -> Any:
    return json.loads(without_private(raw, costs, tenant_id=7))


PRIVATE = {
    "unit_deduction": "3",
    "finalUnitDeduction": "3",
    "total_cost": 1.5,
    "price": {"cny": "0.5"},
    "charged": True,
    "remaining_units": 17,
    "account_balance": "99",
    "credits": [1],
    "resource_pack_name": "reseller's",
    "user_id": "u-17",
    "userId": 17,
    "uid": 17,
    "account_id": "a",
    "creator": "me",
    "API_KEY_NAME": "k",
    "access-key": "AK",
    "serviceFee": "0.1",
    "paid": "1",
    "PAY_TYPE": "pack",
    "units_used": 3,
    "currency": "CNY",
    "total-amount": "1",
    "refundable": True,
    "user_info": {"id": 1},
    "submitUser": "u",
    "sub_account": {"name": "a"},
    "organizationId": "o",
    "workspace_id": "w",
}
PUBLIC = (
    *("payload", "uuid", "guid", "concurrency", "series_amount", "costume", "feedback", "feeling"),
    *(
        "billboard",
        "user_prompt",
        "suspend",
        "unit",
        "points",
        "count",
        "remaining_time",
        "projection",
    ),
)


@pytest.mark.parametrize("name", PRIVATE)
def test_costs_and_owners_are_left_out_wherever_they_stand(name: str) -> None:
    """At the top, in objects and in lists of them; what stands beside them keeps its bytes."""
    field = json.dumps({name: PRIVATE[name]}).encode()[1:-1]
    raw = b'{%b,"a":{"big":829836802793406551,%b},"l":[1.0,[{%b,"e":"\\u00e9"}]]}' % ((field,) * 3)

    assert without_private(raw, IN_TASK, tenant_id=7) == (
        b'{"a":{"big":829836802793406551},"l":[1.0,[{"e":"\\u00e9"}]]}'
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_a_name_that_only_resembles_one_stays(name: str) -> None:
    raw = b'{"task_id":"1","%b":[1.0,{"%b":{}}]}' % ((name.encode(),) * 2)

    assert without_private(raw, IN_TASK, tenant_id=7) is raw


def test_listed_cost_fields_stay_where_the_tenants_own_take_their_place() -> None:
    """At the top of a task and of each task of `data`; one deeper, and beside `data`, they go."""
    costs = {
        "final_unit_deduction": "3",
        "final_balance_deduction": {"quota": "0", "list_price": "0"},
        "billing": [
            {"charge_type": "unit", "amount": "3", "package_type": "video"},
            {"charge_type": "cash", "cash_type": "balance", "amount": "1", "currency": "CNY"},
        ],
    }
    one = json.loads(task(**costs))

    assert cleaned(task(**costs, a=costs)) == {**one, "a": {}}
    assert cleaned(json.dumps({**costs, "data": one}).encode(), IN_REPLY) == {"data": one}
    assert cleaned(json.dumps({"data": [one, 5]}).encode(), IN_REPLY) == {"data": [one, 5]}
    assert cleaned(json.dumps({"data": one}).encode(), NOWHERE) == {"data": {"task_id": "1"}}


def test_figures_beside_the_listed_ones_are_left_out_of_cost_fields() -> None:
    """What is no figure stays: pages may grow."""
    found = cleaned(
        task(
            billing=[{"amount": "3", "unit_price": "0.1", "amount_after": "9", "k": 1}, "x"],
            final_balance_deduction={"quota": "1", "account_balance": "9", "x": 1},
        )
    )

    assert found["billing"] == [{"amount": "3", "k": 1}]
    assert found["final_balance_deduction"] == {"quota": "1", "x": 1}


@pytest.mark.parametrize("owner", ['"reseller"', "17", "null"])
def test_the_owner_is_the_tenant_wherever_one_is_named(owner: str) -> None:
    """And stays for what all share."""
    raw = f'{{"a":[{{"b":{{"owned_by":{owner}}}}}],"owned_by":{owner}}}'.encode()

    assert cleaned(raw) == {"a": [{"b": {"owned_by": "7"}}], "owned_by": "7"}
    assert without_private(raw, NOWHERE, tenant_id=None) == raw


@pytest.mark.parametrize("tenant_id", [7, None])
def test_an_owner_that_is_told_of_at_length_is_left_out(tenant_id: int | None) -> None:
    """More than a name is nobody's to share."""
    raw = b'{"owned_by":{"id":"reseller"},"a":[{"owned_by":["reseller"],"b":1.0}]}'

    assert without_private(raw, IN_TASK, tenant_id=tenant_id) == b'{"a":[{"b":1.0}]}'


@pytest.mark.parametrize(
    "raw",
    [
        b'{"task_id":"1","task_status":"processing","task_info":{"external_task_id":"x"}}',
        b'{ "id" : "1", "tomorrow":5.0, "costume_type":"red", "l":[1, {"x":1e400}] }\n',
        b'{"code":0,"message":"SUCCEED","request_id":"1","data":{"id":"1","billing":[]}}',
        b'{"task_id":"1","elements":[{"element_id":1,"description":"price, cost, owner"}]}',
        b'"a text"',
    ],
)
def test_what_says_nothing_of_it_is_the_same_object(raw: bytes) -> None:
    """Not a byte changes, white space included."""
    assert without_private(raw, IN_REPLY, tenant_id=7) is raw


def test_what_nobody_can_look_through_is_empty() -> None:
    """Rather than shown unread."""
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    assert without_private(deep, IN_TASK, tenant_id=7) == b"{}"


ITEM = {"id": "82", "url": "https://cdn.test/v.mp4", "duration": "5.1"}
ENDED: dict[str, Any] = {
    "task_id": "1",
    "task_status": "succeed",
    "task_status_msg": "",
    "task_info": {"external_task_id": "mine"},
    "task_result": {"videos": [ITEM, ITEM]},
    "created_at": 1722769557708,
    "final_unit_deduction": "3",
}


@pytest.mark.parametrize("costs", [IN_TASK, IN_REPLY, NOWHERE])
def test_the_usual_bytes_are_cleaned_like_any_others(costs: int) -> None:
    """What is told at a glance, without being taken apart, says the same in an unusual spelling."""
    result = ENDED["task_result"]
    bodies = [ENDED, {"code": 0, "message": "SUCCEED", "request_id": "r", "data": ENDED}]
    for name, value in PRIVATE.items():
        more = {name: value}
        bodies += [
            {**ENDED, **more},
            {**ENDED, "task_result": {**result, **more}},
            {**ENDED, "task_result": {"videos": [{**ITEM, **more}]}},
            {**ENDED, "task_info": {**ENDED["task_info"], **more}},
            {**ENDED, "final_unit_deduction": more},
        ]

    for body in bodies:
        usual = json.dumps(body, separators=(",", ":")).encode()
        spaced = json.dumps(body, indent=1).encode()
        assert cleaned(usual, costs) == cleaned(spaced, costs), body
    assert cleaned(json.dumps(ENDED, separators=(",", ":")).encode()) == ENDED
