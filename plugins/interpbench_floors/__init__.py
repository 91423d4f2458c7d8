"""Floors: maps that know nothing of the network, which a method must beat."""
