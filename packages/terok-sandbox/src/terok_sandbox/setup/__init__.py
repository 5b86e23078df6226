"""Setup: the files that `terok-sandbox setup` installs, checks before every launch, and removes."""
