"""One image file and the network's grid. No cohort."""
