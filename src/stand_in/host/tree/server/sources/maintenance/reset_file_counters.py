"""Sets the counters to what the catalogue holds."""
import sys

from crds import log, rmap
from crds.server import settings
from crds.server.interactive import models

if __name__ == "__main__":
    sys.exit(main())
