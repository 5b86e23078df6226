"""The protocol as data and bytes: frames, framing, ids and method tables; no I/O."""
