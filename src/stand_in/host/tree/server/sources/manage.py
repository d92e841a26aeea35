"""Django's command line for the installed server."""
import os
import sys

import crds.server.settings

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crds.server.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
