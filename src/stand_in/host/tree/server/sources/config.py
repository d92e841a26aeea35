"""What the server derives from its site configuration."""
import os.path

import site_config
from site_config import OBSERVATORY, USECASE, HOST, PROXY, BACKUP_URL_SCHEME, DEBUG, CRDS_DISTRIBUTION_STATES
from site_config import install_root, storage_root

port = site_config.port + 1 if BACKUP_URL_SCHEME else site_config.port

CRDS_DIRECT_URL = "https://" + HOST + ":" + str(port) + "/"
CRDS_URL = CRDS_DIRECT_URL if BACKUP_URL_SCHEME else "https://" + PROXY + "/"

FILE_CACHE_DIR = os.path.join(storage_root, "file_cache")
server_files = os.path.join(storage_root, "server_files")
CRDS_CATALOG_DIR = os.path.join(server_files, "catalogs")
CRDS_DELIVERY_DIR = os.path.join(server_files, "deliveries")
CRDS_INGEST_DIR = os.path.join(server_files, "ingest")
UPLOAD_DIR = os.path.join(server_files, "uploads")
ARCHIVE_CACHE_DIR = os.path.join(server_files, "archive_cache")
AFFECTED_DATASETS_DIR = os.path.join(install_root, "monitor_reprocessing")

MAX_DATASET_IDS = 1000
MAX_BESTREFS_PER_RPC = 1000
