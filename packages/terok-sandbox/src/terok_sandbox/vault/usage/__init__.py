"""Usage of providers by containers: read from the answers, priced, written down, and limited."""
