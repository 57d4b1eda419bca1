"""How long a tenant's files are kept, and how many of them, as the desk takes it."""

from typing import Any

import msgspec

from relay.desk.errors import Unusable

DAYS_MAX = 3650
BYTES_MAX = 10**15
"""A slip, such as bytes for gigabytes of somebody's."""
KLING, OURS = "kling", "ours"


def check_kept_files(changes: Any) -> None:
    """Raise Unusable of what is out of bounds, among what is to be changed of a tenant."""
    days, most, urls = changes.keep_results_days, changes.asset_bytes_max, changes.result_urls
    if isinstance(days, int) and not 1 <= days <= DAYS_MAX:
        raise Unusable(f"results are kept for 1 to {DAYS_MAX} days", field="keep_results_days")
    if isinstance(most, int) and not 0 <= most <= BYTES_MAX:
        raise Unusable(f"files may have 0 to {BYTES_MAX:,} bytes", field="asset_bytes_max")
    price = changes.asset_gb_month_micros
    if isinstance(price, int) and price < 0:
        raise Unusable("a GB-month costs 0 at least", field="asset_gb_month_micros")
    if urls is not msgspec.UNSET and urls not in (KLING, OURS):
        raise Unusable(f"result URLs are {KLING} or {OURS}", field="result_urls")
