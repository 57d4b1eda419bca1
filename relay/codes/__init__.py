"""Redeem codes: what adds quota to the account of whoever shows one.

Guarantees:
- A code is redeemed once (M9), whoever else shows it in the same moment: its row is locked.
- None is stored but as its hash, and each is shown when it is made and never again.
- What was redeemed is one top-up, which the code's row names, and which names the code's number.
"""
