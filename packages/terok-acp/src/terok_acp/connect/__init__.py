"""The front on standard input and output that an editor starts."""
