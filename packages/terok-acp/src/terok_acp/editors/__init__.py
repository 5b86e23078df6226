"""The entries of editors' configurations that make them use terok, as text to paste."""
