"""Small helpers."""
import os
import hashlib

from crds import log, config
