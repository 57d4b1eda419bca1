"""Whether the operator's own workflows can be run: what is wrong with one, it is left out for."""

from collections.abc import Iterator

from relay.desk.check.finding import Finding, bad, good, warning
from relay.kling.catalogue import Catalogue
from relay.runs.templates.check import WrongTemplate
from relay.runs.templates.read import read_templates
from relay.settings import Settings

SUBJECT = "templates"


def check_templates(settings: Settings, catalogue: Catalogue) -> Iterator[Finding]:
    """Read them as they are now; where there are none of the operator's, nothing is said."""
    folder = settings.studio_templates
    if folder is None:
        return
    if not settings.studio:
        yield warning(
            SUBJECT,
            "RELAY_STUDIO_TEMPLATES is set, and RELAY_STUDIO is not: nobody can run them",
            "set RELAY_STUDIO=true, or take the other out",
        )
    try:
        found = read_templates(folder, catalogue)
    except WrongTemplate as error:
        yield bad(SUBJECT, str(error), "see RELAY_STUDIO_TEMPLATES: with this no relay starts")
        return
    for reason in found.left_out:
        yield warning(
            SUBJECT,
            f"one is left out: {reason}",
            "mend the file, and start the relay anew: until then there is none of its name, or the"
            " package's",
        )
    if not found.left_out:
        own = sum(not one.is_ours for one in found.by_name.values())
        yield good(SUBJECT, f"{own} in {folder}, and all can be run")
