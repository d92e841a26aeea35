"""Checksums of rules."""
import hashlib

from crds import log, utils
