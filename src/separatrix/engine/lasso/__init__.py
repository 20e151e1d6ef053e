"""The quadratic model with an L1 part, on a working set: how its minimum is found."""
