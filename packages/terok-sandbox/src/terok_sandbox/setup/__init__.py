"""Set a host up and take it down again, and check that it is set up."""
