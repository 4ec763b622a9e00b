"""SimpleNet: a small discriminator learns to tell good patches from good patches with noise.

Read beside the paper, in its order:

- 3.1 feature extractor: `models.features`, the aggregation that PatchCore uses too;
- 3.2 adaptor and 3.4 discriminator: `network`;
- 3.3 anomalous features: `noise`;
- 3.5 loss and training: `loss`, `training`;
- 3.6 scoring: `network.SimpleNetGraph`, `detector`.

`scaling` is not in the paper. Its noise of 0.015 belongs to one backbone's feature scale; with
features brought to a common scale first, one noise suits every backbone and set.

Source: Liu et al., "SimpleNet: A Simple Network for Image Anomaly Detection and Localization", CVPR
2023, and its released code. That code evaluates on the test images after every epoch and keeps the
best; here the last epoch counts.
"""
