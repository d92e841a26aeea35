"""The entry of mod_wsgi into the CRDS server."""
import os
import sys

os.environ["HOME"] = "SUB_DIR"
os.environ["MPLCONFIGDIR"] = "SUB_DIR/mplconfigdir"
os.environ["CRDS_OBSERVATORY"] = "SUB_PROJECT"
os.environ["DJANGO_SETTINGS_MODULE"] = "crds.server.settings"

sys.path.insert(0, "SUB_DIR/python/lib/python")
sys.path.insert(0, "SUB_DIR/python/lib/python/crds/server")

try:
    import crds.server.settings
    from django.core.handlers.wsgi import WSGIHandler
    application = WSGIHandler()
except Exception as exc:
    sys.stderr.write("Error in CRDS wsgi handler: " + str(exc) + "\n")
    raise
