"""Launches of agents and tools: the request, its checks, and the environment and files of a container."""
