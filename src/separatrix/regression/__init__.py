"""Regressions as statisticians read them: from arrays or a formula to a fit with standard errors, tests and a table."""
