"""Which frame goes where: a pure core over plain frames."""
