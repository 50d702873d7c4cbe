"""One file a command of `offline-tutor`: what it asks for, and what it does."""

import argparse


def positive(text: str) -> int:
    """An integer of at least 1, from a command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number
