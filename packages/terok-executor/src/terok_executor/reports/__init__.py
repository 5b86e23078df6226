"""Reports: what an agent's own hooks say from inside its container. They are claims, and arrive bounded and safe."""
