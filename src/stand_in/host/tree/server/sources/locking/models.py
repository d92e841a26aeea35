"""Instrument locks."""
from crds import log, timestamp
