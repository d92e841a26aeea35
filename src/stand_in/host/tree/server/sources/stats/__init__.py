"""The application stats of the CRDS server."""
