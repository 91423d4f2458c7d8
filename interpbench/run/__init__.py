"""What every run of a command begins with: what it reads, where it may write, what makes it itself."""
