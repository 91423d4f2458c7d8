"""U-noise in 3D: learn how much noise each voxel tolerates."""
