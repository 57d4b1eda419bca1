"""Files of a tenant's tasks, for its browsers: where they may be read, and what reads them."""

from relay.channels.directory import ChannelDirectory
from relay.database.engine import Sessions
from relay.proxy.own_tasks import find_told
from relay.results.passing import Passing
from relay.tasks.tables import Task
from relay.tenants.caller import Caller


class OwnFiles:
    """Of one process."""

    def __init__(self, sessions: Sessions, directory: ChannelDirectory, passing: Passing) -> None:
        self._sessions = sessions
        self._directory = directory
        self.passing = passing

    async def sandbox_url(self, caller: Caller, key: str) -> str | None:
        """Say where the sandbox is that made a task, if one did: its files may be read there.

        Raises:
            TaskNotFound
        """
        async with self._sessions() as session:
            task = await session.get_one(Task, await find_told(session, caller, key))
        return await self._directory.sandbox_url(task.channel_id)
