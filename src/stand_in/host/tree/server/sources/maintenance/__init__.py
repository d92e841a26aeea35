"""The application maintenance of the CRDS server."""
