"""Importance maps on disk, and the images that they explain."""
