"""From the values of a launch to podman's arguments."""
