"""Data that are read again and again in bounded memory: files, queries, streams, and parts of them."""
