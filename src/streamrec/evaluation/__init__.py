"""Metrics, paired comparisons and reports."""
