"""Pictures, curves and the one-file HTML page."""
