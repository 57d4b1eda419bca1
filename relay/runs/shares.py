"""What each step is charged of a run's price of its own: together they come to it, to the micro."""

from collections.abc import Sequence


def share(own: Sequence[int], whole: Sequence[int]) -> list[int]:
    """Divide the price of a run among its steps, all in micros.

    `own`: what each would cost without it. `whole`: the run's price at the steps that nothing
    needs, of several once for each; 0 at the others. A step that others need takes what it would
    cost, or its part of less where the run costs less than its steps; the rest is the last ones'.
    """
    total, costs = sum(whole), sum(own)
    shares = [
        0 if price else min(cost, cost * total // costs) if costs else 0
        for cost, price in zip(own, whole, strict=True)
    ]
    rest, seen, given = total - sum(shares), 0, 0
    for place, price in enumerate(whole):
        if price:
            seen += price
            shares[place] = rest * seen // total - given
            given += shares[place]
    return shares
