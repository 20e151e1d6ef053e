"""The same rows as shares of the workers of a Dask cluster: only sums travel."""
