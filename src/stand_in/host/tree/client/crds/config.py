"""Where the cache is and how it is laid out."""
import os

from crds import log

CRDS_SUBDIR_MODES = ('flat', 'instrument', 'legacy')
