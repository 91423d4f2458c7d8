"""Another's code, found, run and checked."""
