"""The exercises themselves, one module for each chapter of the book."""
