"""Gradient methods of Captum as explainers."""
