"""SSH keys that stay in the vault: an agent lists them and signs with them, for containers and for the host's git."""
