"""JSON-RPC."""
import uuid
import urllib2

from crds import log
