"""Copies rules and references from the server into the cache."""
import os

from crds import log, config, utils, rmap, cmdline, data_file
from crds.client import api
