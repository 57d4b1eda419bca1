"""What tenants are told of their quota, limits, keys, prices and statements: mostly no webhook.

Guarantees:
- Each is told once to each place that wants it, by however many workers: a row with a key of its
  own, written in the transaction of the act that it is about, or by the one worker that looks.
- What was so before a place was there is not told to it. What is still to come is: a price that
  will change, a key that will end.
- A message goes out after its commit, one at a time to a place; what waits for a mailbox or a bot
  by then is in it. What does not arrive is tried again with growing pauses for three days, and then
  dead, which operators see. A worker that dies in between may leave it to be sent twice, under the
  same `webhook-id`.
- A tenant's URL is judged as its callbacks' is, when it is dialled; bots are sent to at their
  makers' hosts alone.

events.py    what there is to tell
tables.py    places, and notices to them
places.py    which addresses there may be
tell.py      writing notices
news.py      what is so, asked of the database
prices.py    which prices change
words.py     notices as people read them, in two languages
outgoing.py  notices on their way
read.py      both as operators and tenants see them
"""
