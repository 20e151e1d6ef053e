"""Many fits at once: along a path of penalties, of the rows of each fold, without each row."""
