"""What `terok-sandbox setup` puts on a host, checks before every launch, and takes away again."""
