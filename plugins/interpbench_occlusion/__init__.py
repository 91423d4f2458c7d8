"""Occlusion: hide a box, watch the prediction move."""
