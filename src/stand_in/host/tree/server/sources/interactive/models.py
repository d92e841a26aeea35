"""Tables of the CRDS server."""
from crds import log, rmap, utils, timestamp
from crds.server import config

FILE_STATUS = ("uploaded", "delivered", "submitted", "archiving", "archived", "operational", "cancelled",
               "archiving-failed")

TABLE_PREFIX = "crds_" + config.OBSERVATORY + "_"

TABLES = ("catalog", "contexts", "context_history", "counters", "actions", "results")
