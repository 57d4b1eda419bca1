"""Bytes of Kling's that nobody can read are mended once, where they enter."""

import msgspec
import pytest

from relay.kling.mend import mend, mend_reply
from relay.kling.task_object import read_task
from relay.kling.transport import MaybeSent, Reply

AS_IT_CAME = (
    *(b"", b"{}", b"<html>", b'{"a":"\\\\u0000 \\\\ud83e"}', b'{ "a" :\t1,\r\n"b":[ ] }\n'),
    *('{"a":"中文 \N{FOX FACE} \ufffd"}'.encode(), rb'{"a":"\ud83e\udd8a \/ \" \u00e9 \u2028"}'),
)
MENDED = (
    # bytes of another encoding, and characters that were cut
    (b'{"a":"\xff"}', '{"a":"\ufffd"}'.encode()),
    (b'{"a":"caf\xe9"}', '{"a":"caf\ufffd"}'.encode()),
    (b'{"a":"\xe4\xb8"}', '{"a":"\ufffd"}'.encode()),
    (b'{"\xc0":1,"a":"\xf0\x9f\xa6"}', '{"\ufffd":1,"a":"\ufffd"}'.encode()),
    (b'\xef\xbb\xbf{"a":1}', b'{"a":1}'),
    # what JSON or Postgres has no place for
    (rb'{"a":"x\u0000y"}', rb'{"a":"x\ufffdy"}'),
    (rb'{"a":"\\\u0000\\u0000"}', rb'{"a":"\\\ufffd\\u0000"}'),
    (rb'{"a":"\u0000\ud83e"}', rb'{"a":"\ufffd\ufffd"}'),
    (b'{"a":"x\x00y\tz\nw"}', b'{"a":"x y z w"}'),
    (b'{"a":"\\"\n",\n"b":1}', b'{"a":"\\" ",\n"b":1}'),
    (b'{"a":1}\x00\x00', b'{"a":1}  '),
    (b'{"a":"\x1b[31m"}', b'{"a":" [31m"}'),
)


@pytest.mark.parametrize("body", AS_IT_CAME)
def test_what_can_be_read_stays_as_it_came(body: bytes) -> None:
    """White space, escapes, whole pairs, other scripts: not a byte is touched."""
    assert mend(body) == body


@pytest.mark.parametrize(("sent", "read"), MENDED)
def test_what_cannot_be_read_gets_a_stand_in(sent: bytes, read: bytes) -> None:
    """And is JSON, UTF-8 and free of NUL then."""
    assert mend(sent) == read
    assert "\x00" not in str(msgspec.json.decode(read))


@pytest.mark.parametrize("body", [b'{"%b":1,', b'{"x":"y%b",', b'{"task_status_msg":"%b\xe4\xb8",'])
def test_any_one_byte_leaves_an_end_readable(body: bytes) -> None:
    """Whichever stands in a name or a text beside the words that count, but for JSON's own two."""
    for byte in set(range(0x100)) - set(b'"\\'):
        rest = b'"task_id":"7","task_status":"succeed"}'

        news = read_task(mend(body % bytes([byte]) + rest))

        assert (news.kling_id, news.status) == ("7", "succeed"), byte


@pytest.mark.parametrize("status", [-1, 0, 99, 100, 101, 199, 600, 700, 999, 1000])
def test_a_status_that_http_does_not_have_is_no_answer(status: int) -> None:
    """It could not be passed on; whether the request was taken, nobody knows."""
    with pytest.raises(MaybeSent, match=str(status)):
        mend_reply(Reply(status, "application/json", b"{}"))


@pytest.mark.parametrize("status", [200, 204, 299, 302, 404, 599])
def test_every_other_status_passes(status: int) -> None:
    """The reply itself, where nothing was to be mended."""
    reply = Reply(status, "application/json", b"{}")

    assert mend_reply(reply) is reply
