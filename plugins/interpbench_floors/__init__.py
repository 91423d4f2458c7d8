"""Floors: maps that do not use the network, and that a method must exceed."""
