"""Encoded rows of a table to coefficients: with a penalty, or with standard errors."""
