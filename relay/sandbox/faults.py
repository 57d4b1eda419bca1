"""Misbehaviour on request: words in square brackets in a prompt or a name.

Where a call has no such text, its body may carry them in `FIELD`, and every request in `HEADER` or
in a query parameter `FIELD`. Each row of `WORDS` is documentation and grammar at once;
`GET /sandbox` shows the table. Words about ends and callbacks do nothing to a synchronous call.
"""

import re
from dataclasses import dataclass

from relay.sandbox.errors import HTTP_STATUS, Refusal

FIELD = "sandbox_fault"
HEADER = b"x-sandbox-fault"

WORDS = {
    "fail": "the task ends failed, with a reason and no deduction",
    "slow SECONDS": "this task takes SECONDS from acceptance to end",
    "units N": "the task's deduction is N units",
    "no deduction": "the task succeeds without any deduction field",
    "cash N": "the task is charged N in currency and 0 units",
    "mixed N": "the task is charged N in currency beside its units",
    "seconds N": "the input counts as N seconds long, where it decides the result's length",
    "any ids": "ids of videos, audios, elements, voices and sessions are not looked up",
    "no packs": "the account has no resource packs, in the reply to this GET /account/costs",
    "error CODE": "not accepted: answered with CODE of Kling's table and its HTTP status",
    "code200 CODE": "not accepted: answered with HTTP 200 and CODE",
    "html refused": "not accepted: answered with HTTP 502 and an HTML page",
    "html": "accepted, but answered with HTTP 502 and an HTML page",
    "delay SECONDS": "accepted at once, answered SECONDS later",
    "cut": "accepted, but the connection is cut in the middle of the reply's body",
    "drop": "accepted, but the connection is closed without any reply",
    "no id": "accepted, but the reply has no id (data.task_id, data.id, data.session_id)",
    "lost callback": "no callback is sent",
    "double callback": "every callback is sent twice, at the same time",
    "late callback SECONDS": "every callback is sent SECONDS late",
    "reverse callbacks": "all callbacks are sent at the end, the last status first",
}
"""What may stand in the brackets, and what it does. Words combine; others are ordinary text."""

_TAKES_NUMBER = {key.rsplit(" ", 1)[0] for key in WORDS if key.rsplit(" ", 1)[-1].isupper()}
_PATTERN = re.compile(r"\[([a-z0-9 ]+?)(?: +(\d{1,6}(?:\.\d{1,4})?))?\]")


@dataclass(frozen=True, slots=True)
class Faults:
    """The words found in one prompt, with their numbers ("" for a word that takes none)."""

    words: dict[str, str]

    def __contains__(self, word: str) -> bool:
        return word in self.words

    def seconds(self, word: str, default: float = 0.0) -> float:
        """Read the number of `word`, `default` if it was not asked for."""
        return float(self.words.get(word, default))

    def code(self, word: str) -> int | None:
        """Read the error code of `word`, None if it was not asked for.

        Raises:
            Refusal: 1201, Kling has no such code.
        """
        if word not in self.words:
            return None
        number = self.words[word]
        if not number.isdecimal() or int(number) not in HTTP_STATUS or int(number) == 0:
            raise Refusal(1201, f"prompt asks for [{word} {number}], which is no code of Kling's")
        return int(number)


def find_faults(text: str) -> Faults:
    """Find every known word in `text`; one with a missing or needless number is not known."""
    found = {
        word: number
        for word, number in _PATTERN.findall(text)
        if (word in _TAKES_NUMBER if number else word in WORDS)
    }
    return Faults(found)
