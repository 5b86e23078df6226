"""Signing in to providers: how a credential comes into the vault, and what a task finds in its place."""
