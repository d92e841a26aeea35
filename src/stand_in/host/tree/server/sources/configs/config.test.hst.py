"""Site configuration of the hst test server; install copies it to sources/site_config.py."""

OBSERVATORY = "hst"
USECASE = "test"

# The machine itself, reached directly on its port, and the public name in front of it.
HOST = "SUB_HOST_hst_test"
PROXY = "SUB_PROXY_hst_test"
port = 8001

# True puts this server on port + 1, which the proxy does not know.
BACKUP_URL_SCHEME = False

DEBUG = False

# States in which files are handed out.
CRDS_DISTRIBUTION_STATES = ["archived", "operational"]

install_root = "SUB_ROOT_hst_test/crds/data1/tlhstcrdsv1"
storage_root = "SUB_ROOT_hst_test/ifs/crds/hst/test"

# The archive's catalogue.
archive_dsn = "HarpoDadsopsRepDsn"
