"""One module per sibling wheel: the only places that import it."""
