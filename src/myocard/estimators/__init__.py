"""Layers and probes as scikit-learn's transformers, classifiers and regressors."""
