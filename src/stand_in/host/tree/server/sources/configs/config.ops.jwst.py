"""Site configuration of the jwst ops server; install copies it to sources/site_config.py."""

OBSERVATORY = "jwst"
USECASE = "ops"

# The machine itself, reached directly on its port, and the public name in front of it.
HOST = "SUB_HOST_jwst_ops"
PROXY = "SUB_PROXY_jwst_ops"
port = 8001

# True puts this server on port + 1, which the proxy does not know.
BACKUP_URL_SCHEME = False

DEBUG = False

# States in which files are handed out.
CRDS_DISTRIBUTION_STATES = ["archived", "operational", "delivered", "submitted", "archiving"]

install_root = "SUB_ROOT_jwst_ops/crds/data1/pljwstcrdsv1"
storage_root = "SUB_ROOT_jwst_ops/ifs/crds/jwst/ops"

# The archive's catalogue.
archive_dsn = ""
