"""What a plugin promises: hooks, interfaces, declarations."""
