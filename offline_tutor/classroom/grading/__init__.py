"""Grades a class: each submission apart, on inputs that nobody has seen, with a page to learn from.

`run.grade` does it. Nothing of a student's code runs in its process: `sandbox` runs it elsewhere,
and `inside` is what runs there; `marks` judges the numbers that come out.
"""
