"""Grades the notebooks of a class; `class_grader.grade` is the entry point.

A student's code never runs in the grader's process. `sandbox` starts `notebook_runner` in a process
of its own, the functions are called there (`check_cells`) on inputs drawn for this submission, and
`submission_grader` judges the numbers that come back.
"""
