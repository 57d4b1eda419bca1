"""Files are read from Kling's hosts at public addresses, and from the sandbox that made them."""

import pytest

from relay.results.files import Files, FileUnreachable
from relay.results.hosts import is_of_kling

SANDBOX = "http://127.0.0.1:8700"


@pytest.mark.parametrize(
    "url",
    [
        *("http://cdn.klingai.com/a.mp4", "https://klingai.com.evil.test/a.mp4"),
        *(
            "https://notklingai.com/a",
            "https://klingai.com@evil.test/a",
            "https://x.kwimgs.com:8443/a",
        ),
        *("https://127.0.0.1/a", "ftp://klingai.com/a", "https://[::1", "", "/a.mp4"),
    ],
)
def test_others_than_klings_hosts_are_known(url: str) -> None:
    """By https, on its port, as a whole name."""
    assert not is_of_kling(url)


async def test_klings_name_at_a_private_address_is_not_dialled() -> None:
    """Whatever its name server says; a sandbox may stand anywhere, at its own origin alone."""

    async def lookup(_: str) -> list[str]:
        return ["127.0.0.1"]

    files = Files(lookup=lookup)
    try:
        url = "https://cdn.klingai.com/bs2/a.mp4"
        assert files.may_open(url, sandbox_url=None)
        with pytest.raises(FileUnreachable, match="not a public one"):
            await files.open(url, sandbox_url=None, headers={})
        assert files.may_open(f"{SANDBOX}/sandbox/files/1.mp4", sandbox_url=SANDBOX)
        for other in (f"{SANDBOX}1/a", "https://127.0.0.1:8700/a", "http://127.0.0.1/a"):
            assert not files.may_open(other, sandbox_url=SANDBOX)
    finally:
        await files.aclose()
