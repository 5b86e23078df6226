"""Everything that can wait: threads that read, follow and act, and post frozen values to the loop."""
