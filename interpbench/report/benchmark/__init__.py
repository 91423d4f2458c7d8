"""The page of a benchmark: tables, curves, maps and their order."""
