"""Whether all is as it should be, and what Kling says of an account."""

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from relay.admin.bodies import PathName, channel_of, read_window
from relay.admin.routes import reads
from relay.desk.at_kling import Probed, ask_bill, compare_bill, opened_named, probe
from relay.desk.check.business import worst_of
from relay.desk.check.finding import Finding, Level
from relay.desk.check.process import check_process
from relay.desk.office import Office
from relay.usage.bill import Bill


class Checked(msgspec.Struct, frozen=True):
    level: Level
    """That of the gravest."""
    findings: list[Finding]


class ShownBill(msgspec.Struct, frozen=True):
    """A month of a channel, here and at Kling."""

    channel: str
    has_trial: bool
    """One of that month may be on Kling's bill, whose task is not known here."""
    bill: Bill


class Checks(Controller):
    path = "/admin/v1/check"
    tags = ("Operators",)

    @get(**reads("check.read", 409))
    async def check(self, office: NamedDependency[Office]) -> Checked:
        """Say what works, what will bite, and what to do about it, as far as a process can tell.

        The public URL is asked by `relay check` on the machine.
        """
        findings = await check_process(office)
        return Checked(worst_of(findings), findings)


class AtKling(Controller):
    path = "/admin/v1/channels"
    tags = ("Channels",)

    @get("/{channel:str}/bill", **reads("bill.read", 404, 409))
    async def bill(
        self, office: NamedDependency[Office], channel: PathName, *, month: FromQuery[str]
    ) -> ShownBill:
        """Hold a month of a channel's tasks against Kling's own bill, and name each difference.

        Asks Kling once a second for 500 deductions, which is free: it may take minutes.
        """
        window = read_window(month, None, None, office.settings.zone)
        async with office.alone():
            async with office.reading() as session:
                name = await channel_of(session, channel)
                opened, _ = await opened_named(session, office.keys, name)
            rows, unread = await ask_bill(office.transport, opened, window)
            async with office.patient.begin() as session:
                found, has_trial = await compare_bill(
                    session, opened.id, window, rows, unread=unread
                )
        return ShownBill(name, has_trial, found)

    @post("/{channel:str}/test", **reads("channel.try", 404, 409), status_code=200)
    async def test(self, office: NamedDependency[Office], channel: PathName) -> Probed:
        """Ask Kling for a task that does not exist, with the channel's keys, which is free.

        It makes and changes nothing; what money rests on is tried by a trial.
        """
        async with office.reading() as session:
            name = await channel_of(session, channel)
            opened, prefix = await opened_named(session, office.keys, name)
        return await probe(office.transport, opened, prefix)
