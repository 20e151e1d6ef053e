"""Least squares, by a triangle of the rows or by products with them."""
