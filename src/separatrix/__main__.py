"""`python -m separatrix` is the command."""

from separatrix.cli import main

if __name__ == "__main__":
    main()
