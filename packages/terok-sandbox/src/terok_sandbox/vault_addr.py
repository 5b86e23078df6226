"""Addresses a container finds its supervisor at: the same constants in every mode.

The TCP listeners are bound on 127.0.0.1 inside the container's own network namespace; the sockets are files of a
directory that is mounted read-only.
"""

from __future__ import annotations

from typing import Final

LOOPBACK_HOST: Final = "127.0.0.1"

LOOPBACK_DNS_PORT: Final = 53
LOOPBACK_GATE_PORT: Final = 9418
LOOPBACK_VAULT_PORT: Final = 9419
LOOPBACK_VAULT_TLS_PORT: Final = 9420
LOOPBACK_EGRESS_PORT: Final = 9421
SERVICE_PORTS: Final = frozenset(
    {LOOPBACK_DNS_PORT, LOOPBACK_GATE_PORT, LOOPBACK_VAULT_PORT, LOOPBACK_VAULT_TLS_PORT, LOOPBACK_EGRESS_PORT}
)

CONTAINER_RUNTIME_DIR: Final = "/run/terok"
VAULT_SOCKET: Final = "vault.sock"
SSH_SOCKET: Final = "ssh-agent.sock"
CONTAINER_VAULT_SOCKET: Final = f"{CONTAINER_RUNTIME_DIR}/{VAULT_SOCKET}"
CONTAINER_VAULT_CA: Final = "/run/terok/vault-ca.pem"
"""Certificate that clients must trust to use LOOPBACK_VAULT_TLS_URL."""
CONTAINER_SSH_SOCKET: Final = f"{CONTAINER_RUNTIME_DIR}/{SSH_SOCKET}"

GUEST_SSH_PORT: Final = 22
"""Where the SSH server of a microVM listens inside; Podman publishes it on the host's loopback."""

LOOPBACK_VAULT_URL: Final = f"http://{LOOPBACK_HOST}:{LOOPBACK_VAULT_PORT}"
"""Base URL of every vaulted provider as the container sees it."""
LOOPBACK_VAULT_TLS_URL: Final = f"https://localhost:{LOOPBACK_VAULT_TLS_PORT}"
"""The same for clients that insist on https."""

SIDECAR_ANNOTATION: Final = "terok.sandbox.sidecar"
"""Annotation whose value is the sidecar's absolute path; the OCI hook matches on it."""
