"""Headers of data files."""
from crds import log, utils, config
