"""The programs that made the embedded datasets."""
