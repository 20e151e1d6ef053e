"""A model on its way elsewhere."""
