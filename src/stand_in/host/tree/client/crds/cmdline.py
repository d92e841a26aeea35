"""What all commands have in common."""
import sys
import argparse

from crds import log, config, utils, rmap, heavy_client
from crds.client import api
