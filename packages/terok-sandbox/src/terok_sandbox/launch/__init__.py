"""What a launch is made of: the values asked for, and the podman arguments they become."""
