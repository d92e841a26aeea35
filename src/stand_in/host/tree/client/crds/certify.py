"""Checks of references and rules before submission."""
from crds import log, config, utils, rmap, cmdline, data_file, tpn
from crds.client import api
