"""A third party's plugin for interpbench, as small as one can be."""
