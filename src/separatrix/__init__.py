"""separatrix: logistic and linear regression, readable, fast, and honest about the answer."""
