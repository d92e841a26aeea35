"""Differences between rules."""
from crds import log, utils, rmap, cmdline
