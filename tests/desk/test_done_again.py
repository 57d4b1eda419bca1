"""What is done at the desk is lost when a database is set back: `relay recover` names each kind."""

from relay.cli.recover import BY_HAND
from relay.desk.roles import ACTS, READS

NOT_BY_HAND = {
    "alert.mute": "it would have ended by itself",
    "backup.take": "the copy is where it was put",
    "channel.drained": "the relay's own, once a channel's last task has ended",
    "console.open": "a link is over in ten minutes",
    "tenant.link": "a link is over in an hour",
    "portal.end_session": "a database that was set back has logged everybody out",
    "operator.end_session": "a database that was set back has logged everybody out",
    "database.restore": "it is what set it back",
    "storage.charge": "a worker charges it again, since its days are in the backup",
    "asset.mend": "`relay asset verify` finds it again",
    "asset.delete": "its content left the store, as `relay asset verify` then says",
    "delivery.replay": "a callback that arrived needs no second one",
    "notice.replay": "a notice that arrived needs no second one",
    "notice.test": "who wanted to see it arrive has seen it",
    "office.refuse": "a note of who was not let in",
    "task.cancel": "what waited is not sent any more by a database that was set back",
    "task.unflag": "the flag is read again",
    "task.look": "the worker has looked, or does by itself",
}


def test_each_act_is_one_to_do_again_or_has_a_reason_why_not() -> None:
    """What a database loses that is set back is named, whatever kinds of acts there are by now."""
    assert BY_HAND.keys().isdisjoint(NOT_BY_HAND)
    assert BY_HAND.keys() | NOT_BY_HAND.keys() == ACTS.keys() - READS
