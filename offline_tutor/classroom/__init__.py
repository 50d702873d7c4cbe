"""What a class works with: exercises that check themselves, and their grading."""
