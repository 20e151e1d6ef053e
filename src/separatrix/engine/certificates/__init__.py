"""How far from the optimum, at most: each way to find a bound on the gap."""
