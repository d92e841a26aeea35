"""Constraint tables of the reference types."""
from crds import log, utils
