"""``python -m vcred`` is the command line."""

from vcred.cli import main

if __name__ == "__main__":
    main()
