"""Launches: from the values of a request to the Podman arguments, files and checks of a container."""
