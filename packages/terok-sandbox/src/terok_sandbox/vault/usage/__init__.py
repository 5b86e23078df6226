"""What containers use of their providers: read from the answers, priced, written down, and limited."""
