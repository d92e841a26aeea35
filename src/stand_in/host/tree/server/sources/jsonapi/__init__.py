"""The application jsonapi of the CRDS server."""
