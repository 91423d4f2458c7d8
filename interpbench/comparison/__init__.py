"""A benchmark's table as figures: intervals, tests, ranks, agreement, and the sentences that they allow."""
