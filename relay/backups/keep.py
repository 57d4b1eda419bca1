"""How many backups are kept: older ones of this database are deleted, and nothing else."""

from relay.backups.places import NAME, Folder, read_header_of
from relay.backups.sealed_file import BackupUnusable
from relay.backups.take import name_of


async def delete_older(folder: Folder, *, deployment: str, keep: int) -> list[str]:
    """Delete all but the newest `keep` of one database; return where they were.

    One of ours has our name, and its header says the same. What another database made, or this one
    under a former prefix, before it was set back, is for a person to delete.

    Raises:
        PlaceFailed: some may be deleted already.
    """
    assert keep > 0, "the newest one is never deleted"
    await folder.tidy()
    names = [
        found.name
        for found in await folder.list()
        if (named := NAME.fullmatch(found.name)) and named["deployment"] == deployment
    ]
    deleted = []
    for name in sorted(names, reverse=True)[keep:]:  # names are in the order of their moments
        try:
            header = await read_header_of(folder, name)
        except BackupUnusable:
            continue
        if header.deployment == deployment and name_of(header) == name:
            await folder.delete(name)
            deleted.append(folder.spell(name))
    return deleted
