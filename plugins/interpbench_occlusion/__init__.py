"""Occlusion: the change of the prediction when a box is hidden."""
