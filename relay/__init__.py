"""Kling Relay: resell Kling API capacity. Nobody can tell it from Kling, and the books are right."""
