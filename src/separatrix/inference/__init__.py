"""What an estimate is worth: covariances, tests and intervals of unpenalised fits, as functions of an objective.

Parameters are theta (P, K), the intercept its last row, and covariances are of theta.ravel(): j * K + k.
"""
