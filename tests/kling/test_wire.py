"""Kling's bodies: what they say, and what we conclude."""

import json
from decimal import Decimal
from typing import Any

import pytest

from relay.kling.task_object import Status, UnreadableTask, read_queried_task, read_task
from relay.kling.transport import Reply
from relay.kling.verdicts import Accepted, Refused, Unknown, judge_create
from relay.kling.wire import read_envelope, says_not_found

EXTERNAL_ID = "rabc-17-00ff00ff00ff00ff"


def reply(status: int, body: bytes | dict[str, Any]) -> Reply:
    return Reply(status, "application/json", body if isinstance(body, bytes) else _json(body))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def judged(status: int, body: bytes | dict[str, Any]) -> object:
    return judge_create(reply(status, body), injected_id=EXTERNAL_ID)


GOOD = {"code": 0, "data": {"task_id": "1", "task_status": "submitted"}}


def test_a_create_with_an_id_is_accepted() -> None:
    """HTTP 2xx, code 0 and an id; the new generation calls it `id`."""
    for status in (200, 201, 202, 299):
        assert isinstance(judged(status, GOOD), Accepted)
    assert isinstance(judged(200, {"code": 0, "data": {"id": "1"}}), Accepted)


ODD_SHELLS: dict[str, list[Any]] = {
    "code": ["0", " 0 ", "00", 0.0, "0.0", -0.0],
    "message": [None, 5, 1.5, True, [], {}, ["SUCCEED"]],
    "request_id": [None, 5, [], {"id": "1"}],
    "extra": [None, [], 1],
}


def each(odd: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [{name: value} for name, values in odd.items() for value in values]


@pytest.mark.parametrize("odd", each(ODD_SHELLS), ids=str)
def test_an_odd_shell_hides_no_task(odd: dict[str, Any]) -> None:
    """What decides is the code, read as a number however it is spelt, and the id."""
    verdict = judged(200, {**GOOD, **odd})

    assert isinstance(verdict, Accepted)
    assert verdict.news.kling_id == "1"


@pytest.mark.parametrize("code", ["1301", " 1301", 1301.0, "1301.0", "1.301e3"])
def test_an_odd_spelling_hides_no_refusal(code: object) -> None:
    """A definite no is one, so that the hold goes back."""
    body = {"code": code, "message": None, "request_id": 7}

    assert judged(400, body) == Refused(code=1301, message="", request_id="7")


@pytest.mark.parametrize(
    "code", [None, "", "SUCCEED", "0x0", "NaN", "1e400", [], {}, [0], True, 0.5, 1e300, "9" * 99]
)
def test_without_a_number_for_a_code_it_is_no_shell(code: object) -> None:
    """Nothing is concluded from it, be there a task or not."""
    assert read_envelope(reply(200, {**GOOD, "code": code})) is None


@pytest.mark.parametrize("code", [1000, 1102, 1200, 1201, 1301, 1303, 99])
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429])
def test_a_code_below_500_is_a_refusal(status: int, code: int) -> None:
    """By `code`, in 200 as well: no task exists, the hold may go back."""
    verdict = judged(status, {"code": code, "message": "m", "request_id": "r"})

    assert verdict == Refused(code=code, message="m", request_id="r")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b'{"code":0,"data":{"task_id":"1"'),
        (200, b'{"data":{"task_id":"1"}}'),
        (200, {"code": 0}),
        (200, {"code": 0, "data": None}),
        (200, {"code": 0, "data": {}}),
        (200, {"code": 0, "data": {"task_id": ""}}),
        (200, {"code": 0, "data": {"task_id": None}}),
        (200, {"code": 0, "data": {"task_id": ["1"]}}),
        (200, {"code": 0, "data": []}),
        (201, {"code": 0}),
        (302, GOOD),
        (400, b"<html>"),
        (400, GOOD),
        (408, {"code": 1200}),
        (500, {"code": 5000}),
        (502, b"<html>"),
        (503, {"code": 1301}),
        (504, {"code": 0}),
        (400, {"code": 1201, "message": "duplicate external_task_id"}),
        (400, {"code": 1201, "message": "External_Task_ID already exists"}),
        (400, {"code": 1201, "message": f"conflict: {EXTERNAL_ID.upper()}"}),
        (200, {"code": 1201, "message": "external_task_id duplicate"}),
        (200, b"[" * 100_000),
    ],
)
def test_everything_else_is_unknown(status: int, body: bytes | dict[str, Any]) -> None:
    """A task may exist: the hold stays until Kling tells."""
    assert isinstance(judged(status, body), Unknown)


def test_a_1201_about_something_else_is_a_refusal() -> None:
    """Only our own id taken means that the first try has landed."""
    for message in ("external_task_id is too long", "duplicate element_id", "Task not found"):
        assert isinstance(judged(400, {"code": 1201, "message": message}), Refused)


def test_not_found_is_read_by_code_and_words() -> None:
    """400/1201 "Task not found"; a 5xx that says so proves nothing."""
    body = {"code": 1201, "message": "Task not found"}

    assert says_not_found(reply(400, body))
    assert says_not_found(reply(404, {"code": 1203, "message": "task NOT FOUND"}))
    assert not says_not_found(reply(503, body))
    assert not says_not_found(reply(401, {"code": 1002, "message": "api key not found"}))
    assert not says_not_found(reply(400, {"code": 1201, "message": "duplicate"}))
    assert not says_not_found(reply(404, b"Not found"))


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("submitted", Status.SUBMITTED),
        ("processing", Status.PROCESSING),
        ("succeed", Status.SUCCEED),
        ("succeeded", Status.SUCCEED),
        ("failed", Status.FAILED),
        ("Succeed", Status.SUCCEED),
        (" SUCCEEDED\n", Status.SUCCEED),
        ("Failed", Status.FAILED),
        ("canceled", None),
        ("success", None),
        ("", None),
    ],
)
def test_status_words_of_both_generations(word: str, status: Status | None) -> None:
    """A word that we do not know is no status, rather than a guess."""
    assert read_task(_json({"task_status": word})).status is status
    assert read_task(_json({"status": word})).status is status


def test_ids_are_found_wherever_they_stand() -> None:
    """`task_info`, the top level, and the new generation's names; empty ones are left out."""
    news = read_task(
        _json(
            {
                "id": "9",
                "task_info": {"external_task_id": "a"},
                "external_task_id": "b",
                "external_id": "c",
            }
        )
    )
    empty = read_task(_json({"task_info": {"external_task_id": ""}, "external_task_id": None}))

    assert (news.kling_id, news.external_ids) == ("9", ("a", "b", "c"))
    assert (empty.kling_id, empty.external_ids) == (None, ())


DEDUCTIONS: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"final_unit_deduction": "2.5"}, "2.5"),
    ({"final_unit_deduction": 2.5}, "2.5"),
    ({"final_unit_deduction": " 3 "}, "3"),
    ({"final_unit_deduction": "0"}, None),
    ({"final_unit_deduction": 0}, None),
    ({"final_unit_deduction": None}, None),
    ({"final_unit_deduction": ""}, None),
    ({"final_unit_deduction": "-1"}, None),
    ({"final_unit_deduction": "NaN"}, None),
    ({"final_unit_deduction": "Infinity"}, None),
    ({"final_unit_deduction": "1e30"}, None),
    ({"final_unit_deduction": True}, None),
    ({"final_unit_deduction": {"a": 1}}, None),
    ({"final_unit_deduction": "free"}, None),
    ({"final_unit_deduction": "2", "final_balance_deduction": {"quota": "0"}}, "2"),
    ({"final_unit_deduction": "2", "final_balance_deduction": {"quota": "0.28"}}, None),
    ({"final_unit_deduction": "0", "final_balance_deduction": {"quota": "0.28"}}, None),
    ({"final_unit_deduction": "2", "final_balance_deduction": "0"}, "2"),
    ({"billing": [{"charge_type": "unit", "amount": "2"}]}, "2"),
    ({"billing": [{"charge_type": "unit", "amount": "2"}] * 2}, "4"),
    ({"billing": [{"charge_type": "cash", "amount": "2"}]}, None),
    ({"billing": [{"charge_type": "unit", "amount": "2"}, {"charge_type": "cash"}]}, None),
    ({"billing": [{"charge_type": "unit", "amount": "x"}]}, None),
    ({"billing": []}, None),
    ({"billing": [], "final_unit_deduction": "2"}, "2"),
    ({"billing": [5]}, None),
]


@pytest.mark.parametrize(("fields", "deduction"), DEDUCTIONS, ids=str)
def test_a_deduction_is_usable_or_none(fields: dict[str, Any], deduction: str | None) -> None:
    """Absent, zero, unreadable, in cash or mixed: none (docs/paths.md, "Path of an end")."""
    found = read_task(_json(fields)).deduction

    assert found == (None if deduction is None else Decimal(deduction))


def test_kling_s_cost_fields_are_kept_in_its_own_bytes() -> None:
    """Raw, with their spelling; none if it sent none."""
    news = read_task(b'{"final_unit_deduction":3.0, "billing":[{ "amount" : 1e400}],"other":1}')

    assert news.deduction_raw == '{"final_unit_deduction":3.0,"billing":[{ "amount" : 1e400}]}'
    assert read_task(b'{"billing":null}').deduction_raw is None


def test_results_of_every_family_are_found() -> None:
    """Videos, audios, images without ids, the new generation's outputs."""
    task = {
        "task_result": {
            "videos": [{"id": "v", "url": "u1", "duration": "5.1"}, {"url": "u2", "duration": 4}],
            "images": [{"index": 0, "url": "u3"}],
            "note": "x",
        },
        "outputs": [{"id": 829836802793406551, "url": 5}, "x", None],
    }

    news = read_task(_json(task))

    assert news.result_ids == ("829836802793406551", "v")
    assert news.result_urls == ("u1", "u2", "u3")


@pytest.mark.parametrize(
    ("videos", "seconds"),
    [
        ([{"duration": "5.1"}], "5.1"),
        ([{"duration": "5.1"}, {"duration": 4}], "9.1"),
        ([{"duration": "5.1"}, {}], None),
        ([{"duration": "long"}], None),
        ([{}], None),
        ([], None),
    ],
    ids=str,
)
def test_the_length_of_all_results_together(videos: object, seconds: str | None) -> None:
    """None if Kling did not say it of each."""
    found = read_task(_json({"task_result": {"videos": videos}})).result_seconds

    assert found == (None if seconds is None else Decimal(seconds))


def test_numbers_that_no_type_holds_hide_nothing() -> None:
    """1e400 and 60 digits anywhere; the values that are needed are read by themselves."""
    raw = (
        b'{"task_status":"succeed","x":1e400,"task_result":{"videos":[{"id":"v","url":"u",'
        b'"size":1e400,"duration":1e400}],"y":[1e400]},"final_unit_deduction":1e400}'
    )

    news = read_task(raw)

    assert news.status is Status.SUCCEED
    assert (news.result_ids, news.result_urls, news.deduction) == (("v",), ("u",), None)
    assert news.raw == raw


ODD_FIELDS: dict[str, list[Any]] = {
    "task_info": [None, [], [1], 5, "x", {"external_task_id": 5}, {"a": []}],
    "task_status_msg": [None, 5, 1.5, [], {}, True, ["m"]],
    "message": [None, 5, [], {"text": "m"}],
    "external_task_id": [None, [], {}],
    "external_id": [None, [], False],
    "status": [None, 5, [], {}, "paused"],
    "id": [None, 5, [], {}],
    "task_result": [None, [], 5, "x", {"videos": 5}, {"videos": [5, None]}],
    "outputs": [None, {}, 5, [[]]],
    "billing": [{}, 5, "x", [[]]],
    "updated_at": [None, [], "x"],
}


@pytest.mark.parametrize("odd", each(ODD_FIELDS), ids=str)
def test_one_odd_field_hides_no_end(odd: dict[str, Any]) -> None:
    """An id and a status word decide; beside them may stand whatever Kling likes."""
    news = read_task(_json({"task_id": "7", "task_status": "succeed", **odd}))

    assert (news.kling_id, news.status) == ("7", Status.SUCCEED)


@pytest.mark.parametrize(
    ("task_id", "read"),
    [
        (867283741759111202, "867283741759111202"),
        (18446744073709551616123, "18446744073709551616123"),
        (0, "0"),
        ("", None),
        (None, None),
        (True, None),
        (["7"], None),
    ],
    ids=str,
)
def test_an_id_may_be_a_number(task_id: object, read: str | None) -> None:
    """In all its digits, whatever its size."""
    assert read_task(_json({"task_id": task_id, "task_status": "failed"})).kling_id == read


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"5", b"null", b'"x"', b'{"task_id":"7"', b"[" * 100_000]
)
def test_what_is_no_task_is_unreadable(raw: bytes) -> None:
    """Not an object."""
    with pytest.raises(UnreadableTask):
        read_task(raw)


def test_a_query_without_a_task_is_nothing() -> None:
    """A refusal, an error, a list, an object without an id."""
    for body in ({"code": 1201}, {"code": 0}, {"code": 0, "data": []}, {"code": 0, "data": {}}):
        assert read_queried_task(reply(200, body)) is None
    assert read_envelope(reply(200, b"x")) is None
    assert read_queried_task(reply(200, GOOD)) is not None


def test_a_refused_callback_url_is_no_duplicate() -> None:
    """The URL that we injected holds our external id; Kling quoting it says nothing of the id."""
    for url in (f"/internal/callback/k1.{EXTERNAL_ID}~3.0123", f"k1.{EXTERNAL_ID}~3..."):
        refusal = {"code": 1201, "message": f"callback_url {url} is not reachable"}

        assert isinstance(judged(400, refusal), Refused)


@pytest.mark.parametrize("code", [5000, 5001, 5002])
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_a_failure_of_kling_s_own_is_no_refusal(status: int, code: int) -> None:
    """By code, whatever the HTTP status: a task may exist, so the hold stays."""
    assert isinstance(judged(status, {"code": code, "message": "m"}), Unknown)
