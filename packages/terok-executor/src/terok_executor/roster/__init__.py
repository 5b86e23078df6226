"""Agents and providers as data: what the bundled and the user's YAML files say."""
