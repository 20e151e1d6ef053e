"""`python -m separatrix` is the command, and so is `separatrix`."""

from separatrix.stopping import listen


def main() -> None:
    """The entry point: what is slow to import comes once Ctrl-C is listened to."""
    listen()
    from separatrix.cli import main

    main()


if __name__ == "__main__":
    main()
