"""`python -m interpbench` is `interpbench`."""

from interpbench.cli import main

if __name__ == "__main__":
    main()
