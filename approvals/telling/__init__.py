"""Tell people and programs what happened: an edge of the product, which chooses whom and in which words."""
