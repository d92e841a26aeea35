"""Asks the running server once."""
import sys

from crds import log
from crds.client import api
from crds.server import settings

if __name__ == "__main__":
    sys.exit(main())
