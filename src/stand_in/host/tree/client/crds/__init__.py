"""The CRDS client library."""
__version__ = "1.1.0"  # until opus_2014.3
__version__ = "1.1.1"  # since opus_2014.3

from crds import svn_version
