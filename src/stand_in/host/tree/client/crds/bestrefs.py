"""Best references of many datasets, and what a change of context affects."""
from crds import log, config, utils, rmap, cmdline, heavy_client, data_file, diff, matches
from crds.client import api
