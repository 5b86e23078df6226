"""Containers and images behind one protocol: Podman for real, a fake for tests."""
