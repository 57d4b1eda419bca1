"""`relay serve` and its office: a second listener, which is never in the way of tenants."""

import httpx

from tests.e2e.processes import free_port
from tests.e2e.raw import connected
from tests.e2e.test_signals import is_refused
from tests.e2e.world import World
from tests.relay_app import bearer


async def test_the_office_is_beside_tenants_port_and_never_on_it(world: World) -> None:
    """Health is on both; what operators see is Kling's 401 where tenants are, and the other way."""
    token = await world.add_tenant()
    async with world.started_relay() as relay:
        (started,) = relay.events("serve.started")
        office = started["office"]
        health = [
            await world.http.get(f"{url}/health/ready")
            for url in (world.url, office, office.replace("127.0.0.1", "localhost"))
        ]
        index = await world.http.get(f"{office}/")
        tenants_index = await world.http.get(f"{world.url}/", headers=bearer(token))
        kling_in_the_office = await world.http.get(
            f"{office}/v1/videos/text2video/1", headers=bearer(token)
        )
        led_here = await world.http.get(f"{office}/", headers={"Host": "evil.example"})

    assert office.startswith("http://127.0.0.1:")
    assert office != world.url
    assert [answer.json() for answer in health] == [{"status": "ready"}] * 3
    assert "/health/ready" in index.text
    assert (tenants_index.status_code, tenants_index.json()["code"]) == (404, 1202)
    assert kling_in_the_office.status_code == 404
    assert led_here.status_code == 421


async def test_the_office_stops_with_the_relay(world: World) -> None:
    """No new connection is taken, an idle one is closed, and the exit code is 0."""
    async with world.started_relay() as relay:
        (started,) = relay.events("serve.started")
        port = httpx.URL(started["office"]).port
        assert port is not None
        async with connected(port) as idle:
            await idle.send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await idle.answer()
            relay.terminate()
            exit_code = await relay.ended()
        was_refused = await is_refused(port)

    assert answer.body == {"status": "live"}
    assert was_refused
    assert exit_code == 0


async def test_a_second_relay_of_a_machine_goes_on_without_an_office(world: World) -> None:
    """It says so once, names the address, and serves tenants; the first one keeps its own."""
    office_port = free_port()
    async with (
        world.started_relay(office_port=office_port) as first,
        world.started_relay(port=free_port(), office_port=office_port) as second,
    ):
        (with_office,), (without,) = (
            process.events("serve.started") for process in (first, second)
        )
        (said,) = second.events("serve.office_off")
        ready = [
            await world.http.get(f"{url}/health/ready")
            for url in (with_office["url"], without["url"], with_office["office"])
        ]

    assert (with_office["office"], without["office"]) == (f"http://127.0.0.1:{office_port}", "off")
    assert (said["level"], said["address"]) == ("warning", f"127.0.0.1:{office_port}")
    assert first.events("serve.office_off") == []
    assert [answer.status_code for answer in ready] == [200] * 3


async def test_an_office_for_more_than_this_machine_is_warned_of(world: World) -> None:
    """It is the operator's word, and he may not have meant it."""
    async with world.started_relay(office_host="0.0.0.0") as open_to_all:
        (warned,) = open_to_all.events("serve.office_open")
        (started,) = open_to_all.events("serve.started")

    async with world.started_relay() as usual:
        assert usual.events("serve.office_open") == []
    assert (warned["level"], warned["url"]) == ("warning", started["office"])


async def test_one_port_for_both_is_refused(world: World) -> None:
    """In a sentence and before anything listens; so is an office that cannot be anywhere."""
    with world.relay(port=12_345, office_port=12_345) as process:
        same = await process.ended()
    said_same = process.tail()
    with world.relay(office_host="192.0.2.1") as process:
        elsewhere = await process.ended()

    assert (same, elsewhere) == (2, 1)
    assert "tenants and operators need two ports, and both have 12345" in said_same
    assert "cannot listen on 192.0.2.1:0: " in process.tail()
    assert "Traceback" not in said_same + process.tail()
