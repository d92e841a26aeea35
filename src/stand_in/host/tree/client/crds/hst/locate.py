"""Where HST's references are."""
from crds import log, config, utils
