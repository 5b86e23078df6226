"""Runs agents and looks after their containers."""
