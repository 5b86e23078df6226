"""Default-deny egress: one policy engine, the nft rules and the resolver that enforce it, and the events they cause."""
