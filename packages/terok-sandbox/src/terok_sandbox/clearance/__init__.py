"""Clearance: what default-deny has refused becomes a question, and a person's answer takes effect at once."""
