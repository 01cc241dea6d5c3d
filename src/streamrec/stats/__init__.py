"""Intervals, tests, errors of clustered data, divergences: a leaf room."""
