"""How good a model is on rows it has not seen, and what to be wary of."""
