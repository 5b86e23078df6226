"""Views: everything that is shown, as values of pure functions without Textual."""
