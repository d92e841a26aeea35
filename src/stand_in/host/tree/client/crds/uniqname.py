"""Names in the archive's style."""
from crds import log, cmdline
