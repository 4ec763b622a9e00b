"""CutSwap: patches swapped between salient places teach a backbone what wrong parts look like.

The backbone is tuned to tell good images from such ones, and PatchCore scores with it. Saliency is
LayerCAM's, of a whole classifier; the rest of the training is CutPaste's (`models/cutpaste`).

Source: the CutSwap paper as the project's specification gives it (no code was released); Jiang et
al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", TIP 2021.
"""
