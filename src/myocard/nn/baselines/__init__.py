"""Baselines of an encoder: models that learn from labels alone, or not at all."""
