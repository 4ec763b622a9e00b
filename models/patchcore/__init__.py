"""PatchCore: patches far from every patch of good parts are anomalous.

Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, and its
released code.
"""
