"""A legacy task in the words of 2.0 (docs/kling-api.md 5.5 and 17)."""

from typing import Any

import msgspec
import pytest

from relay.kling.as_new import as_new


def shown(**fields: Any) -> Any:
    return msgspec.json.decode(as_new(msgspec.json.encode(fields), package="video"))


def test_every_kind_of_result_is_an_output() -> None:
    """Files by 2.0's names; ids stay digits; what is no list of things is left out."""
    result = {
        "videos": [{"id": "1", "url": "u", "duration": "5.1"}],
        "images": [{"index": 0, "url": "u", "watermark_url": "w"}],
        "result_type": "series",
        "series_images": [{"index": 1, "url": "u"}],
        "audios": [{"id": "2", "url_mp3": "m", "duration_mp3": "3", "url_wav": "w"}],
        "voices": [{"voice_id": "3"}],
        "elements": [{"element_id": 829836802793406551}],
    }

    outputs = shown(task_id="1", task_status="succeed", task_result=result)["outputs"]

    assert outputs == [
        {"type": "video", "id": "1", "url": "u", "duration": "5.1"},
        {"type": "image", "url": "u", "watermark_url": "w"},
        {"type": "image", "url": "u"},
        {"type": "audio", "id": "2", "mp3_url": "m", "mp3_duration": "3", "wav_url": "w"},
        {"type": "voice", "voice_id": "3"},
        {"type": "element", "element_id": 829836802793406551},
    ]


def test_big_numbers_and_escapes_keep_their_bytes() -> None:
    """Values are copied, never decoded."""
    task = (
        b'{"task_id":"1","task_status":"succeed","created_at":1.0e3,"task_result":{"elements":'
        b'[{"element_id":829836802793406551,"element_name":"\\u00e9"}]}}'
    )

    found = as_new(task, package="image")

    assert b'{"type":"element","element_id":829836802793406551,"element_name":"\\u00e9"}' in found
    assert b'"create_time":1.0e3' in found


@pytest.mark.parametrize(
    ("costs", "billing"),
    [
        ({}, []),
        ({"final_unit_deduction": "0"}, []),
        ({"final_unit_deduction": None, "final_balance_deduction": None}, []),
        ({"final_unit_deduction": "x", "final_balance_deduction": {"quota": "0"}}, []),
        (
            {"final_unit_deduction": "3.0", "final_balance_deduction": {"quota": "0.42"}},
            [{"charge_type": "unit", "amount": "3.0", "package_type": "video"}],
        ),
        (
            {"final_balance_deduction": {"quota": "0.42", "list_price": "0.5"}},
            [
                {
                    "charge_type": "cash",
                    "cash_type": "balance",
                    "amount": "0.42",
                    "list_price": "0.5",
                }
            ],
        ),
    ],
)
def test_what_was_taken_is_billed_once(costs: dict[str, Any], billing: list[Any]) -> None:
    """A tenant's view names its charge in units and in currency: one of the two."""
    assert shown(task_id="1", task_status="succeed", **costs)["billing"] == billing


def test_a_task_that_runs_has_every_field() -> None:
    """Nothing known is empty; only the word for success differs."""
    assert shown(task_id="1", task_status="processing", created_at=1, updated_at=2) == {
        "id": "1",
        "status": "processing",
        "message": "",
        "create_time": 1,
        "update_time": 2,
        "external_id": "",
        "outputs": [],
        "billing": [],
    }
