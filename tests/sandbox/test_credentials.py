from typing import Any

import jwt
import pytest

from relay.sandbox.settings import DEFAULT_ACCOUNT, Account, SandboxSettings
from tests.sandbox.client import TEXT2VIDEO, Caller, sign
from tests.sandbox.conftest import Opened

OTHER = Account("other-ak", "other-secret-key-that-is-long-enough", "other-api-key")


async def _ask(kling: Caller, authorization: str | None) -> tuple[int, int, str]:
    headers = {} if authorization is None else {"authorization": authorization}
    response = await kling.http.get(TEXT2VIDEO, headers=headers)
    reply = response.json()
    return response.status_code, reply["code"], reply["message"]


async def test_api_key_and_jwt_are_both_accepted(kling: Caller) -> None:
    """Section 2: both kinds of credential; Java's SDK sends no `typ`, so it is not required."""
    headerless = jwt.api_jws.encode(
        b'{"iss":"sandbox-access-key","exp":99999999999}',
        DEFAULT_ACCOUNT.secret_key,
        headers={"typ": None},
    )

    answers = [
        await _ask(kling, f"Bearer {credential}")
        for credential in (DEFAULT_ACCOUNT.api_key, sign(), headerless)
    ]

    assert answers == [(200, 0, "SUCCEED")] * 3


@pytest.mark.parametrize(
    ("authorization", "code", "message"),
    [
        (None, 1001, "Authorization is empty"),
        ("", 1001, "Authorization is empty"),
        ("Bearer api-key-kling-unknown", 1002, "api key not found"),
        ("Basic eDp5", 1002, "Authorization is invalid"),
        ("Bearer ", 1002, "Authorization is invalid"),
        ("Bearer a.b.c", 1002, "Authorization is invalid"),
    ],
)
async def test_a_wrong_credential_is_401_with_its_code(
    kling: Caller, authorization: str | None, code: int, message: str
) -> None:
    """5.6 and section 8: 1001 and 1002 as recorded live."""
    answer = await _ask(kling, authorization)

    assert answer == (401, code, message)


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ({"account": OTHER}, 1002, "access key not found"),
        ({"secret_key": "k" * 32}, 1000, "signature is invalid"),
        ({"algorithm": "none", "secret_key": ""}, 1000, "signature is invalid"),
        ({"algorithm": "HS384", "secret_key": "k" * 48}, 1000, "signature is invalid"),
        ({"begins_in_s": 300}, 1003, "Authorization is not yet valid"),
        ({"expires_in_s": -300}, 1004, "Authorization has expired"),
    ],
)
async def test_a_wrongly_signed_credential_is_401_with_its_code(
    kling: Caller, how: dict[str, Any], code: int, message: str
) -> None:
    """1002 as recorded live, 1000, 1003 and 1004 by the table; signed when it is asked with."""
    answer = await _ask(kling, f"Bearer {sign(**how)}")

    assert answer == (401, code, message)


async def test_a_jwt_slightly_early_or_late_is_accepted(kling: Caller) -> None:
    """Section 2: allow clock skew; 2 s are within ours of 5 s."""
    early = await _ask(kling, f"Bearer {sign(begins_in_s=2)}")
    late = await _ask(kling, f"Bearer {sign(expires_in_s=-2)}")

    assert early == late == (200, 0, "SUCCEED")


async def test_a_jwt_without_a_usable_expiry_is_invalid(kling: Caller) -> None:
    """No exp, a text, and NaN: none of them says when the token ends."""
    answers = [
        await _ask(kling, "Bearer " + jwt.api_jws.encode(payload, DEFAULT_ACCOUNT.secret_key))
        for payload in (
            b'{"iss":"sandbox-access-key"}',
            b'{"iss":"sandbox-access-key","exp":"soon"}',
            b'{"iss":"sandbox-access-key","exp":NaN}',
        )
    ]

    assert answers == [(401, 1002, "Authorization is invalid")] * 3


async def test_accounts_do_not_see_each_other(opened: Opened) -> None:
    """A second account finds neither id nor list entry, and may use the same external id."""
    settings = SandboxSettings(accounts=(DEFAULT_ACCOUNT, OTHER), task_seconds=60)
    async with opened(settings) as first:
        second = Caller(first.http, OTHER)
        task = await first.accepted(prompt="a cat", external_task_id="mine")

        found = await second.get(f"{TEXT2VIDEO}/{task['task_id']}")
        by_name = await second.get(f"{TEXT2VIDEO}/mine")
        listed = await second.get(TEXT2VIDEO)
        same_name = await second.create(prompt="a cat", external_task_id="mine")

    assert found.json()["message"] == by_name.json()["message"]
    assert found.json()["message"] == "Task not found by id/external id"
    assert listed.json()["data"] == []
    assert same_name.status_code == 200


def test_an_account_is_parsed_from_its_written_form() -> None:
    """`AK|SK|API_KEY`, with a fourth part where callbacks are signed."""
    three = Account.parse(" ak|sk | key")
    four = Account.parse("ak|sk|key|whsec_c2VjcmV0")

    assert three == Account("ak", "sk", "key")
    assert four.webhook_secret == "whsec_c2VjcmV0"


@pytest.mark.parametrize("text", ["", "ak", "ak|sk", "ak||key", "a|b|c|d|e"])
def test_a_malformed_account_is_one_clear_sentence_without_its_secret(text: str) -> None:
    """The message shows the form; it does not repeat what was typed."""
    with pytest.raises(ValueError, match="An account is written") as caught:
        Account.parse(text)

    assert not text or text not in str(caught.value)


def test_two_accounts_with_one_key_are_refused() -> None:
    """Nobody could say whose task it is."""
    with pytest.raises(ValueError, match="same access_key"):
        SandboxSettings(accounts=(DEFAULT_ACCOUNT, DEFAULT_ACCOUNT))


async def test_a_short_secret_works(opened: Opened) -> None:
    """`ak|sk|key` is a usable account, though PyJWT would warn of a secret of two letters."""
    account = Account.parse("ak|sk|key")
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = sign(account)
    async with opened(SandboxSettings(accounts=(account,))) as kling:
        answer = await _ask(kling, f"Bearer {token}")

    assert answer == (200, 0, "SUCCEED")
