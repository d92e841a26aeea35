"""Site configuration of the jwst test server; install copies it to sources/site_config.py."""

OBSERVATORY = "jwst"
USECASE = "test"

# The machine itself, reached directly on its port, and the public name in front of it.
HOST = "SUB_HOST_jwst_test"
PROXY = "SUB_PROXY_jwst_test"
port = 8001

# True puts this server on port + 1, which the proxy does not know.
BACKUP_URL_SCHEME = False

DEBUG = True

# States in which files are handed out.
CRDS_DISTRIBUTION_STATES = ["archived", "operational", "delivered", "submitted", "archiving"]

install_root = "SUB_ROOT_jwst_test/crds/data1/tljwstcrdsv1"
storage_root = "SUB_ROOT_jwst_test/ifs/crds/jwst/test"

# The archive's catalogue.
archive_dsn = ""
