"""Sessions that outlive editors, adapters and the daemon: one table and one transcript each, per container."""
