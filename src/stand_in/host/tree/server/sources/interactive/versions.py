"""What the page version_info shows."""
from crds import svn_version as client_version
from crds.server import svn_version as server_version
