"""What entries and tasks come to, for whoever asks: lists of them, and sums. Reads only.

Guarantee: nothing here is kept. Each figure is summed up from entries and tasks while it is asked
for, so that there are no second books that could say otherwise.
"""
