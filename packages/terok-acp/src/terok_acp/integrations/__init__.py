"""The names this wheel uses of its siblings; no other room imports them."""
