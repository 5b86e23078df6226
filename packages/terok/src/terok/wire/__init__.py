"""How front ends and the controller talk."""
