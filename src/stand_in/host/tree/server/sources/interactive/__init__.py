"""The application interactive of the CRDS server."""
