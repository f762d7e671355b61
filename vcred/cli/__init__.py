"""The command line ``vcred``: an edge. It reads the clock, files and the keyboard; the roles do the work.

One module per group of commands, imported when a command of it is run, so that ``vcred --help`` is quick.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line on ``sys.argv`` and exit with one of the codes of ``vcred.cli._errors``."""
    from vcred.cli._root import root

    root.main(prog_name="vcred")
