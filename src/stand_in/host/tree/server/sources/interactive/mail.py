"""Notes about submissions."""
from crds import log
