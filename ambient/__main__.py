"""`python -m ambient` is the command line (`ambient.cli`)."""

import sys

from ambient.cli import main

if __name__ == "__main__":
    sys.exit(main())
