"""Bayesian computation: samplers, diagnostics, hierarchical models."""
