"""Layered configuration: scopes merged from the lowest to the highest, each value with its origin."""
