"""Data contracts, features, serving and operations."""
