"""What the book shows: its figures, results that took too long for the build, recipes of data."""
