"""`terok demo`: one agent, one task, and measurements of what held."""
