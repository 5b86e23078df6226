"""The library: launch containers, list them, and look after their walls; it puts the rooms below together."""
