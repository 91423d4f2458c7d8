"""More than one core, or more than one job."""
