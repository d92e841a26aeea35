"""JWST."""
INSTRUMENTS = ('fgs', 'miri', 'nircam', 'niriss', 'nirspec')

from crds.jwst import locate
