"""Friendly paths: what a customer wants made, in words that are not Kling's; over the same books.

Each create becomes a run (`relay/runs`), of one create of Kling's or of several, by the same
tokens, prices, limits and holds as Kling's own paths. Unlike those it keeps what it was asked for,
for as long as its tenant's operator says.
"""
