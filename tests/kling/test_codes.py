"""Kling's codes, against the table of docs/kling-api.md 8."""

import pytest

from relay.kling.codes import (
    ABOUT_THE_ACCOUNT,
    NOT_FOUND,
    RESELLERS_BUSINESS,
    RESIGN,
    TROUBLE_MIN,
    Code,
    http_status,
)

TABLE = {
    200: {0},
    400: {1200, 1201, 1300, 1301},
    401: {1000, 1001, 1002, 1003, 1004},
    403: {1103},
    404: {1202, 1203},
    429: {1100, 1101, 1102, 1302, 1303, 1304},
    500: {5000},
    503: {5001},
    504: {5002},
}


def test_every_row_of_the_table_is_there_and_no_other() -> None:
    """22 codes, each with the HTTP status of the vendor's table."""
    known = {(int(code), code.http_status) for code in Code}

    assert known == {(code, status) for status, codes in TABLE.items() for code in codes}
    assert len(known) == 22


def test_a_plain_number_finds_its_status() -> None:
    """Replies carry integers; 1102 is a 429, 1201 a 400."""
    assert http_status(1102) == 429
    assert http_status(Code.INVALID_PARAMETER) == 400


def test_a_code_that_kling_does_not_have_is_refused() -> None:
    """1104 circulates and does not exist."""
    with pytest.raises(ValueError, match="1104"):
        http_status(1104)


def test_the_groups_hold_exactly_the_codes_of_the_design() -> None:
    """docs/promises.md T3; docs/paths.md, "Path of a submit", step 8; members are plain numbers."""
    resellers = {*range(1000, 1005), *range(1100, 1104), 1304}

    assert resellers == RESELLERS_BUSINESS
    assert resellers | {1302, 1303} == ABOUT_THE_ACCOUNT
    assert {1003, 1004} == RESIGN
    assert {1201, 1203} == NOT_FOUND
    assert {5000, 5001, 5002} == {code for code in Code if code >= TROUBLE_MIN}
