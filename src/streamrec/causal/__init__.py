"""Causal estimands, designs and estimators."""
