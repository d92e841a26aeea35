"""Header expressions of rules."""
from crds import log, utils
