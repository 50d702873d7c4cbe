"""Programs that build and check the book. No part of the installed package."""
