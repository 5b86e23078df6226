"""Activity of a running container as its host knows it: facts, their sum, and the feed that brings them."""
