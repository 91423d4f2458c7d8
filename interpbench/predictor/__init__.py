"""Networks: their weights, tests of their faults, and fast predictions."""
