"""A bucket, opened by its URL."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obstore.store import S3Store

S3 = "s3://"
ANSWER_MAX_S, RETRIED_S = 120, 60
"""For one part to arrive; and how long what failed at once is tried again."""


class BucketUnusable(ValueError):
    """It cannot be reached by what was given; the message says why."""


def open_bucket(url: str, reach: Mapping[str, str]) -> "S3Store":
    """Open `s3://bucket/folder`; `reach`: how it is reached, of `read_reach`. Nothing is sent yet.

    Raises:
        BucketUnusable
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415 (megabytes, for who has a bucket)
    from obstore.store import S3Store  # noqa: PLC0415

    config: Any = reach
    # A server of one's own may have no TLS.
    is_plain = reach.get("AWS_ENDPOINT_URL", "").startswith("http://")
    try:
        return S3Store.from_url(
            url,
            config=config,
            client_options={"allow_http": is_plain, "timeout": timedelta(seconds=ANSWER_MAX_S)},
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=RETRIED_S)},
        )
    except (BaseError, ValueError) as error:
        raise BucketUnusable(f"{url}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Say what obstore says, without what it says it with."""
    return str(error).strip().partition("\n")[0]
