"""Predictors: a 3D ResNet-18 for `train`, and users' own networks for `adopt`."""
