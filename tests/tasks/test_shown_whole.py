"""A reply that is shown without being taken apart reads as the one that is."""

import itertools
import json
import random
from collections.abc import Iterator

import pytest

from relay.kling.task_object import Status
from relay.proxy.outcomes import NOTHING
from relay.tasks.view import (
    _ID_IN_DATA,
    _ID_OF_TASK,
    Shown,
    _show_data_fields,
    _show_fields,
    _show_whole,
    show_data,
    show_task,
)

OURS = "k3f9a1-12345-a1b2c3d4e5f60718"
PLAIN = (
    ('"task_id"', '"867283741759111202"'),
    ('"task_status"', '"processing"'),
    ('"task_status_msg"', '"中文 [and] é"'),
    ('"message"', '"of {braces} and \\"quotes\\""'),
    ('"created_at"', "1722769557708"),
    ('"big"', "18446744073709551616123"),
    ('"watermark_info"', '{"enabled":false}'),
    ('"task_result"', '{"videos":[{"id":"v","url":"https://cdn.example/a.mp4"}]}'),
)
TOUCHED = (
    ('"task_info"', "{}"),
    ('"task_info"', f'{{"external_task_id":"{OURS}"}}'),
    ('"task_info"', f'{{"parent_video":{{"id":"7"}},"external_task_id":"{OURS}"}}'),
    ('"task_info"', f'{{"external_task_id":"{OURS}","parent_video":{{"id":"7"}}}}'),
    ('"task_info"', '{"external_task_id":"a\\"}"}'),
    ('"task_info"', f'{{"external\\u005ftask_id":"{OURS}"}}'),
    ('"task\\u005finfo"', f'{{"external_task_id":"{OURS}"}}'),
    ('"external_task_id"', f'"{OURS}"'),
    ('"external_id"', f'"{OURS}"'),
    ('"\\u0065xternal_id"', f'"{OURS}"'),
    ('"nested"', f'{{"task_info":{{"external_task_id":"{OURS}"}}}}'),
    ('"nested"', f'[{{"task_info":{{"external_task_id":"{OURS}"}}}}]'),
    ('"final_unit_deduction"', '"3"'),
    ('"final\\u005funit_deduction"', '"3"'),
    ('"final_balance_deduction"', '{"quota":"1.5","list_price":"2"}'),
    ('"billing"', '[{"charge_type":"unit","amount":"3","package_type":"video"}]'),
    ('"owned_by"', '"kling"'),
    ('"owned\\u005fby"', '"kling"'),
    ('"elements"', '[{"element_id":829836802793406551,"owned_by":"kling"}]'),
)
SHELL = '{"code":0,"message":"SUCCEED","request_id":"r-1","data":'


def shown(own_id: str | None = None, *, status: Status | None = None) -> Shown:
    return Shown(
        tenant_id=11,
        tenant_external_id=own_id,
        quote=NOTHING,
        charged_micros=0,
        status=status,
    )


def tasks() -> Iterator[bytes]:
    """Objects in Kling's compact spelling: with each special field at each place, and with some."""
    for special, place in itertools.product(TOUCHED, range(3)):
        fields = [*PLAIN[:place], special, *PLAIN[place:2]]
        yield spelt(fields)
    chance = random.Random(20)
    for _ in range(2000):
        some = chance.sample(TOUCHED, chance.choice([0, 1, 1, 2]))
        fields = some + chance.sample(PLAIN, chance.randrange(len(PLAIN) + 1))
        chance.shuffle(fields)
        if len({json.loads(name) for name, _ in fields}) == len(fields):
            yield spelt(fields)


def spelt(fields: list[tuple[str, str]]) -> bytes:
    return ("{" + ",".join(f"{name}:{value}" for name, value in fields) + "}").encode()


@pytest.mark.parametrize("own_id", [None, "mine", 'é"\\u005f \N{FOX FACE}'])
def test_a_task_reads_the_same_whole_or_taken_apart(own_id: str | None) -> None:
    """Byte for byte, over some thousand objects; a fair part of them is shown whole."""
    told = shown(own_id)
    whole = 0

    for task in tasks():
        assert show_task(task, told) == _show_fields(task, told), task
        assert show_task(task.decode(), told) == show_task(task, told)
        whole += _show_whole(task, told, _ID_OF_TASK) is not None

    assert whole > 300


@pytest.mark.parametrize("own_id", [None, "mine"])
def test_a_reply_reads_the_same_whole_or_taken_apart(own_id: str | None) -> None:
    """The same in an envelope; as an item of a list, and beside `data`, nothing is of ours."""
    told = shown(own_id)
    whole = 0

    for task in map(bytes.decode, tasks()):
        inner = task[1:-1]
        for reply in (
            f"{SHELL}{task}}}",
            f'{{"data":{task},"code":0}}',
            f"{SHELL}[{task}]}}",
            f'{SHELL}null,"meta":{task}}}',
            f'{{"meta":{task},"data":{{"task_id":"1"}}}}',
            f'{{"data":{{"task_id":"1"}},{inner or chr(34) + "a" + chr(34) + ":1"}}}',
        ):
            envelope = reply.encode()
            assert show_data(envelope, told) == _show_data_fields(envelope, told), envelope
            whole += _show_whole(envelope, told, _ID_IN_DATA) is not None

    assert whole > 1000


def test_a_running_task_of_klings_is_shown_whole() -> None:
    """As its pages show a create and a query of a task that runs: our id goes, or is theirs."""
    told = spelt([*PLAIN[:2], TOUCHED[1], *PLAIN[4:]])
    envelope = SHELL.encode() + told + b"}"
    without, with_own = (
        told.replace(TOUCHED[1][1].encode(), b"{}"),
        told.replace(OURS.encode(), b"mine"),
    )

    assert _show_whole(told, shown(), _ID_OF_TASK) == without
    assert _show_whole(told, shown("mine"), _ID_OF_TASK) == with_own
    assert _show_whole(envelope, shown(), _ID_IN_DATA) == SHELL.encode() + without + b"}"
    assert _show_whole(envelope, shown("mine"), _ID_IN_DATA) == SHELL.encode() + with_own + b"}"


def test_white_space_of_klings_stays() -> None:
    """Where nothing is replaced, the tenant gets Kling's very bytes."""
    reply = b' {"code": 0, "data" : {"task_id":\t"1",\n"task_info": {} } }\n'

    assert show_data(reply, shown("mine")) == reply
    assert json.loads(show_data(reply, shown())) == json.loads(_show_data_fields(reply, shown()))
    assert show_task(b'{"task_id": "1"}', shown()) == b'{"task_id": "1"}'


@pytest.mark.parametrize("special", [one for one in TOUCHED[1:] if one[0] != '"nested"'], ids=str)
def test_nothing_of_ours_passes_in_any_spelling(special: tuple[str, str]) -> None:
    """Ids, costs and owner, also with escapes in a name: the tenant's, or none."""
    task = spelt([PLAIN[0], special])

    for reply in (show_task(task, shown()), show_data(SHELL.encode() + task + b"}", shown())):
        plain = json.dumps(json.loads(reply))
        assert not [word for word in (OURS, "kling", '"3"', "1.5") if word in plain]


def test_an_end_by_hand_is_said_in_any_reply() -> None:
    """The operator's word stands where Kling's stood, whatever else the object holds."""
    told = shown(status=Status.FAILED)

    assert json.loads(show_task(b'{"task_id":"1","task_status":"processing"}', told)) == {
        "task_id": "1",
        "task_status": "failed",
        "task_status_msg": "",
    }
