"""The vault: real credentials stay on the host, containers hold phantom tokens that the proxy swaps."""
