"""Site configuration of the hst ops server; install copies it to sources/site_config.py."""

OBSERVATORY = "hst"
USECASE = "ops"

# The machine itself, reached directly on its port, and the public name in front of it.
HOST = "SUB_HOST_hst_ops"
PROXY = "SUB_PROXY_hst_ops"
port = 8001

# True puts this server on port + 1, which the proxy does not know.
BACKUP_URL_SCHEME = False

DEBUG = False

# States in which files are handed out.
CRDS_DISTRIBUTION_STATES = ["archived", "operational"]

install_root = "SUB_ROOT_hst_ops/crds/data1/plhstcrdsv1"
storage_root = "SUB_ROOT_hst_ops/ifs/crds/hst/ops"

# The archive's catalogue.
archive_dsn = "HarpoDadsopsRepDsn"
