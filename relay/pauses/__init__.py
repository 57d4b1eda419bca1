"""Pauses: creates that the operator has stopped for a while, while all else goes on."""
