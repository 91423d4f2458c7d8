"""Code of plugins: found, run and checked."""
