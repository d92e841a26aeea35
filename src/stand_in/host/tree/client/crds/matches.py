"""Which parameters select a reference."""
from crds import log, rmap, cmdline
