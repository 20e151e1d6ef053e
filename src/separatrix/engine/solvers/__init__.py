"""Each way to the minimum, as a generator of iterates, and the sample of the rows that starts it."""
