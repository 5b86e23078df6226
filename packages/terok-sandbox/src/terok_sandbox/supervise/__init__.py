"""One supervisor per container: handover of its network namespace, and the workers that serve it."""
