"""Half surrogate pairs in what Kling sends: the message is read all the same."""

import pytest

from relay.kling.surrogates import mended
from relay.kling.task_object import read_task


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb'{"a":"\ud83e"}', rb'{"a":"\ufffd"}'),
        (rb'{"a":"\udd8a x"}', rb'{"a":"\ufffd x"}'),
        (rb'{"a":"\ud83e\udd8a"}', rb'{"a":"\ud83e\udd8a"}'),
        (rb'{"a":"\\ud83e"}', rb'{"a":"\\ud83e"}'),
        (rb'{"a":"plain"}', rb'{"a":"plain"}'),
        (rb'{"a":"\ud83e\ud83e\udd8a"}', rb'{"a":"\ufffd\ud83e\udd8a"}'),
    ],
)
def test_a_half_pair_gets_a_stand_in(sent: bytes, read: bytes) -> None:
    """Whole pairs and escaped backslashes stay as they are."""
    assert mended(sent) == read


def test_a_task_with_a_cut_message_is_read() -> None:
    """Else its end would never be learned, and its hold would stay for ever."""
    news = read_task(mended(rb'{"task_id":"7","task_status":"failed","task_status_msg":"a\ud83e"}'))

    assert (news.kling_id, news.status, news.message) == ("7", "failed", "a\ufffd")
