"""The application locking of the CRDS server."""
