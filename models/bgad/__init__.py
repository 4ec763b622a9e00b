"""BGAD: a flow per feature level, with a boundary that few known anomalies are pushed behind.

Source: Yao et al., "Explicit Boundary Guided Semi-Push-Pull Contrastive Learning for Supervised
Anomaly Detection", CVPR 2023, and its released code.
"""
