"""Anomaly detectors and what they share: backbones, features, metrics, data sets, artifacts."""
