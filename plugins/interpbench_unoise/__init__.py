"""U-noise in 3D: a U-Net learns how much noise each voxel tolerates."""
