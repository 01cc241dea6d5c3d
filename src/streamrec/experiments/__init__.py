"""Experiments: assignment, power, sample ratio, CUPED, sequential tests, analysis."""
