"""The embedded datasets, each with the program that made it, and the way to all other ones."""
