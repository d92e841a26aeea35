"""Rules: pipeline, instrument and reference mappings."""
import os
import glob

from crds import log, config, utils, selectors, checksum, substitutions
