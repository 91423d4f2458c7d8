"""Predictors: a 3D ResNet-18 that is trained here, and any network that a user brings."""
