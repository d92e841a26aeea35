"""Affected datasets as the server computed them."""
from crds import log, config, utils, cmdline
from crds.client import api
