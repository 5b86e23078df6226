"""The nft table `inet terok`: rendered from the policy, verified by reading it back, changed while it is loaded."""
