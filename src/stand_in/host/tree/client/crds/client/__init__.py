"""Talking to the server."""
from crds.client import api
