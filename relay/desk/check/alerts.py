"""Whether anybody is told when something is wrong, and what is wrong by the rules."""

from collections.abc import Iterator

from relay.alerts.read import Standing
from relay.desk.check.finding import Finding, bad, good, warning
from relay.moments import spelt_moment

SUBJECT = "alerts"


def check_alerts(found: Standing) -> Iterator[Finding]:
    """Name what is between a rule and whoever is to hear of it."""
    trouble = [f"{place.id}, {place.shown}: {place.error}" for place in found.places if place.error]
    unjudged = [f"{rule.name}: {rule.error}" for rule in found.rules if rule.error]
    if not found.places:
        to_do = "`relay alert add URL` says where they go, `relay alert test` tries it"
        yield warning(SUBJECT, "nobody is told of any: there is no place to send to", to_do)
    elif trouble:
        to_do = "`relay alert test` tries them all; `relay alert remove ID` ends one"
        yield bad(SUBJECT, f"the last message did not arrive at place {'; '.join(trouble)}", to_do)
    if unjudged:
        to_do = "the log's `alert.not_judged` has more"
        yield warning(SUBJECT, f"could not be judged: {'; '.join(unjudged)}", to_do)
    firing = [rule for rule in found.rules if rule.state == "firing"]
    if firing:
        named = ", ".join(f"{rule.name} ({spelt_moment(rule.since)})" for rule in firing)
        yield warning(SUBJECT, f"firing: {named}", "`relay alert list` says what, and since when")
    elif found.places and not trouble and not unjudged:
        yield good(SUBJECT, f"none is firing; {len(found.places)} places are told")
