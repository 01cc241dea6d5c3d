"""Decisions: records, the strategy document and the arithmetic of a portfolio."""
