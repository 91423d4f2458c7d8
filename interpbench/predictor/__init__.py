"""Networks: their weights, what is wrong with them, how they are asked fast."""
