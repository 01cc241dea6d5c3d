"""Recommenders and rankers: one file a model, all behind the protocols."""
