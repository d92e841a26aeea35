"""HST."""
INSTRUMENTS = ('acs', 'cos', 'nicmos', 'stis', 'wfc3', 'wfpc2')

from crds.hst import locate
