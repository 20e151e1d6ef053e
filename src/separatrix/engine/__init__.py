"""How the minimum is found: an objective, solvers that are generators of iterates, one loop, one certificate."""
