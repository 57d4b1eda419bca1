"""Kling Relay: resell Kling API capacity. Nobody can tell it from Kling; the books are right."""
