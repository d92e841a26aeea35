"""Site configuration of the jwst dev server; install copies it to sources/site_config.py."""

OBSERVATORY = "jwst"
USECASE = "dev"

# The machine itself, reached directly on its port, and the public name in front of it.
HOST = "SUB_HOST_jwst_dev"
PROXY = "SUB_PROXY_jwst_dev"
port = 8001

# True puts this server on port + 1, which the proxy does not know.
BACKUP_URL_SCHEME = False

DEBUG = True

# States in which files are handed out.
CRDS_DISTRIBUTION_STATES = ["archived", "operational", "delivered", "submitted", "archiving"]

install_root = "SUB_ROOT_jwst_dev/crds/data1/dljwstcrdsv1"
storage_root = "SUB_ROOT_jwst_dev/ifs/crds/jwst/dev"

# The archive's catalogue.
archive_dsn = ""
