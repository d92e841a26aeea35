"""The server's services as functions."""
import os

from crds import log, config, utils
from crds.client import proxy
