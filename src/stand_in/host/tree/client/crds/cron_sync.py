"""crds.sync under a lock, patiently."""
import fcntl

from crds import log, config, sync
