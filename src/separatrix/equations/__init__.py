"""The mathematics: one equation, one function, stable at +-1e9; the only copy anywhere."""
