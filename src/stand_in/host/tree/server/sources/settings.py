"""Django settings of the CRDS server."""
import os

from crds import log
from crds.server import config, crds_database, svn_version

DEBUG = config.DEBUG
TEMPLATE_DEBUG = DEBUG

DATABASES = crds_database.DATABASES

TIME_ZONE = "America/New_York"
USE_TZ = False
LANGUAGE_CODE = "en-us"

STATIC_URL = "/static/"
STATIC_ROOT = os.path.join(config.install_root, "static")
STATICFILES_DIRS = (os.path.join(os.path.dirname(os.path.abspath(__file__)), "static_files"),)

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.MemcachedCache",
        "LOCATION": "unix:" + os.environ.get("HOST_ROOT", "") + "/tmp/memcached.sock",
        "TIMEOUT": 24 * 3600,
    },
}

DBBACKUP_STORAGE = "dbbackup.storage.filesystem_storage"
DBBACKUP_FILESYSTEM_DIRECTORY = os.path.join(config.install_root, "server", "db_backups")

MIDDLEWARE_CLASSES = (
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)

ROOT_URLCONF = "crds.server.urls"

INSTALLED_APPS = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.sites",
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "dbbackup",
    "crds.server.interactive",
    "crds.server.jsonapi",
    "crds.server.locking",
    "crds.server.fileupload",
    "crds.server.stats",
    "crds.server.jpoll",
)
