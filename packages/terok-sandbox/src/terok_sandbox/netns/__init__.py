"""Entering a container's network namespace: rules, listeners and packet log are made inside it and used outside."""
