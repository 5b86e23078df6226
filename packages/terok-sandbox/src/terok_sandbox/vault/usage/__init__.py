"""Usage of providers: read from the answers, priced, recorded, and limited."""
