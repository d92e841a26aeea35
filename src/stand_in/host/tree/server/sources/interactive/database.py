"""Headers of the archive's datasets."""
from crds import log, utils
from crds.server import config

MAX_IDS = config.MAX_DATASET_IDS
