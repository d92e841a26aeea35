"""Differences between tables."""
from crds import log, cmdline
