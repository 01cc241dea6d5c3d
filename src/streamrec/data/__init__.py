"""Interactions, time-ordered splits and packaged real data."""
