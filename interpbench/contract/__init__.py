"""The contract of plugins: hooks, interfaces, declarations."""
