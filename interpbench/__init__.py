"""interpbench: which voxels does a 3D regression network look at, and how far can that answer be trusted?

The public names are those of `__init__.pyi`. Most of them need torch, so each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
