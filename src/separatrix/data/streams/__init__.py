"""Rows that do not fit in memory: the first reading of them, and the passes after it."""
