"""Trials: one real task on an account, to see whether Kling does what money rests on."""
