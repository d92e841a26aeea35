"""Site configuration of the hst dev server; install copies it to sources/site_config.py."""

OBSERVATORY = "hst"
USECASE = "dev"

# The machine itself, reached directly on its port, and the public name in front of it.
HOST = "SUB_HOST_hst_dev"
PROXY = "SUB_PROXY_hst_dev"
port = 8001

# True puts this server on port + 1, which the proxy does not know.
BACKUP_URL_SCHEME = False

DEBUG = True

# States in which files are handed out.
CRDS_DISTRIBUTION_STATES = ["archived", "operational", "delivered", "submitted", "archiving"]

install_root = "SUB_ROOT_hst_dev/crds/data1/dlhstcrdsv1"
storage_root = "SUB_ROOT_hst_dev/ifs/crds/hst/dev"

# The archive's catalogue.
archive_dsn = "HarpoDadsopsRepDsn"
