"""Adapters: the programs in a container that speak the protocol for an agent; started, heard and ended."""
