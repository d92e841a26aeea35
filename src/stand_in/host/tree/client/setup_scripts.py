"""Installs the client's commands."""
import glob

from distutils.core import setup

setup(
    name="crds_scripts",
    version="1.1.0",  # until opus_2014.3
    version="1.1.1",  # since opus_2014.3
    scripts=glob.glob("scripts/*"),
)
