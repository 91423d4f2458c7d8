"""Who is in a study: subjects, splits, checks, samples."""
