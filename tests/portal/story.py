"""What stands in a relay whose portal is looked at, beside the story of its console."""

from tests.portal.keys import tell_of_keys
from tests.portal.work import tell_of_studio, tell_of_work
from tests.relay_app import Relay


async def tell_tenants_story(relay: Relay) -> list[str]:
    """Return the addresses of all pages that a tenant sees; `tell_story` was told before."""
    return [
        "",
        "/month",
        "/no-such-page",
        "/try",
        "/try/text2video",
        "/try/image2video?prompt=a+fox",
        "/try/text2video?json=%7B%7D",
        "/try/advanced-lip-sync",
        *(await tell_of_studio(relay)),
        *(await tell_of_work(relay)),
        *(await tell_of_keys(relay)),
    ]
