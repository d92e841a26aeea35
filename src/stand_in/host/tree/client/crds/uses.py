"""Which rules name a file."""
from crds import log, rmap, cmdline
