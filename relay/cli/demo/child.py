"""A `relay` command that ends with the demo: `python -m relay.cli.demo.child DESCRIPTOR COMMAND…`.

The descriptor is the reading end of a pipe whose other end only the demo has: it closes when the
demo ends, however that happens, on every system (PR_SET_PDEATHSIG is Linux's alone).
"""

import os
import sys
import threading


def main() -> None:
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional in the standard library
    threading.Thread(target=_end_with_the_demo, args=(descriptor,), daemon=True).start()
    from relay.cli import cli

    cli.main(args=sys.argv[2:], prog_name="relay")


def _end_with_the_demo(descriptor: int) -> None:
    os.read(descriptor, 1)  # nothing is ever written: it returns when the pipe closes
    os._exit(1)


if __name__ == "__main__":
    main()
