"""CutPaste: a backbone tuned to tell good images from images with a patch in the wrong place.

CutPaste scores with a Gaussian density; here PatchCore scores with the tuned backbone, so that
nothing but the augmentation differs from CutSwap, whose baseline this is.

Source: Li et al., "CutPaste: Self-Supervised Learning for Anomaly Detection and Localization", CVPR
2021.
"""
