"""Measures of how good an importance map is, one file a family."""
