"""Lists of contexts, rules, references and settings."""
import sys

from crds import log, config, utils, rmap, cmdline, heavy_client
from crds.client import api
