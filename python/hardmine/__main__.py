"""`python -m hardmine`: the command."""

import sys

from hardmine.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
