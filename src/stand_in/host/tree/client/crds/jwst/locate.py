"""Where JWST's references are."""
from crds import log, config, utils
