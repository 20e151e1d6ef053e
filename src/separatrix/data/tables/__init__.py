"""The columns of a table: their cells, what they are, and how they become numbers."""
