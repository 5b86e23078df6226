"""The resident half: one process per container that owns its adapters and sessions."""
