"""The application jpoll of the CRDS server."""
