"""SimpleNet: a small discriminator learns to tell good patches from good patches with noise.

Read beside the paper, in its order:

- 3.1 feature extractor: `models.features`, the aggregation that PatchCore uses too;
- 3.2 adaptor and 3.4 discriminator: `network`;
- 3.3 anomalous features: `noise`;
- 3.5 loss and training: `loss`, `training`;
- 3.6 scoring: `network.SimpleNetGraph`, `detector`.

Two things are not in the paper, for backbones other than its own. Its Gaussian noise of 0.015
belongs to one backbone's feature scale, so `scaling` first brings features to a common one. And
defects do not move features evenly in all directions, as Gaussian noise does, but along those in
which good parts differ too: `noise` can take differences between good patches instead. The fast
preset does both, the paper preset neither.

Source: Liu et al., "SimpleNet: A Simple Network for Image Anomaly Detection and Localization", CVPR
2023, and its released code. That code evaluates on the test images after every epoch and keeps the
best; here the last epoch counts.
"""
