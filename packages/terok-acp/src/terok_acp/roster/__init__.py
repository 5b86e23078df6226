"""Which agents of a container can be spoken with, and what each offers, known without starting any."""
