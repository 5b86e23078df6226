"""Container images: a base with tools and the `dev` user (L0), and the agents on top of it (L1)."""
