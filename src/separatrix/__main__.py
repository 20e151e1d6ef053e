"""`python -m separatrix` is the command, and so is `separatrix`."""

from signal import SIG_DFL, SIGINT, default_int_handler, getsignal, signal


def main() -> None:
    """The entry point: what is slow to import comes once Ctrl-C is listened to, and until then that is a plain end."""
    if getsignal(SIGINT) is default_int_handler:
        signal(SIGINT, SIG_DFL)
    from separatrix.stopping import listen

    listen()
    from separatrix.cli import main

    main()


if __name__ == "__main__":
    main()
