"""The CRDS server."""
__version__ = "opus_2014.2"  # until opus_2014.3
__version__ = "opus_2014.3"  # since opus_2014.3
