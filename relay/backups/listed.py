"""The backups in a folder, known by their headers: whatever else is in it is left alone."""

import msgspec

from relay.backups.places import Folder, read_header_of
from relay.backups.sealed_file import BackupUnusable, Header


class Listed(msgspec.Struct, frozen=True):
    """One backup."""

    place: str
    name: str
    bytes: int
    header: Header


class Listing(msgspec.Struct, frozen=True):
    """What is in a folder."""

    backups: list[Listed]
    """Newest first."""
    others: dict[str, str]
    """Names that look like one's, and why they are none."""


async def list_backups(folder: Folder) -> Listing:
    """Read the headers of all that is called like a backup.

    Raises:
        PlaceFailed
    """
    listing = Listing([], {})
    for found in await folder.list():
        try:
            header = await read_header_of(folder, found.name)
        except BackupUnusable as error:
            listing.others[found.name] = str(error)
        else:
            place = folder.spell(found.name)
            listing.backups.append(Listed(place, found.name, found.bytes, header))
    listing.backups.sort(key=lambda one: one.header.made_at, reverse=True)
    return listing
