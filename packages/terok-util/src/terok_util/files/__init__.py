"""Directories and files that are complete or absent, locked by one, and never reached through somebody's link."""
