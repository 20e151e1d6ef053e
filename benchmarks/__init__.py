"""How fast a fit reaches the optimum, beside other solvers: `python -m benchmarks --help`."""
