"""The application fileupload of the CRDS server."""
