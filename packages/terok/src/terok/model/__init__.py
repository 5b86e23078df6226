"""Values and pure functions about tasks: no I/O and no clock; times are seconds since the epoch."""
