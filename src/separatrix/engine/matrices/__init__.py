"""Symmetric matrices and triangles, in memory, in half of it, and on disk; how a system with one is solved."""
