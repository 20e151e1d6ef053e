"""How the minimum is found: an objective, solvers that are generators of iterates, one loop, one certificate.

In the order of a fit: `sums` are what a pass over the rows adds up, `objective` asks the data for them, `choose` finds
the solver that suits their shape, `iterate` is the loop that draws from it, and `fit` puts these together.

- `matrices`: how a system with a symmetric matrix is solved, in memory and on disk
- `certificates`: how far from the optimum, at most
- `lasso`: the minimum of a quadratic model with an L1 part
- `solvers`: Newton and its like, and the sample that starts them
- `linear`: least squares
- `paths`: many fits at once, of penalties and folds
"""
