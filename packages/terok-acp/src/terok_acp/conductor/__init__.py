"""Sessions over many adapters: a state machine without I/O, driven by events."""
