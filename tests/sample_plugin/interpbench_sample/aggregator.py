"""An aggregator of fifteen lines: the largest importance that any subject has at a voxel."""

from interpbench import Aggregator


class Largest(Aggregator):
    def __init__(self):
        self.largest = None

    def add(self, map):
        self.largest = map.clone() if self.largest is None else self.largest.maximum(map)

    def merge(self, other):
        if other.largest is not None:
            self.add(other.largest)

    def result(self):
        return {} if self.largest is None else {"largest": self.largest.clone()}
