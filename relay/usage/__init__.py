"""What entries and tasks come to, for whoever asks: lists of them, and sums.

Guarantee: there are no second books that could say otherwise. Each figure is summed up from entries
and tasks while it is asked for, or was so before and is shown to be the same still (`rolled.py`).
"""
