"""Retraining: from a line's labelled frames to a candidate that passed its gate, or did not."""
