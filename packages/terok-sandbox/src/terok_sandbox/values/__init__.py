"""Frozen values that several rooms share: they import no room, and do no I/O but reading a posture."""
