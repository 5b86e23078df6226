"""Transcripts: the output of agents, whatever its format, as one kind of event, bounded and readable."""
