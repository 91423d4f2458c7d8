"""Gradient methods of Captum, and its occlusion, as explainers."""
