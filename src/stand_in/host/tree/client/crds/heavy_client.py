"""Best references computed here."""
from crds import log, config, utils, rmap
from crds.client import api
