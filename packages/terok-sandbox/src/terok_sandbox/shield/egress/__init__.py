"""The egress proxy of an airlock: the only way out, judged by name and port."""
