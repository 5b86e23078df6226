"""A look at everything a sandboxed container depends on: values, checks of host and state, probes from inside."""
