"""Installs the server as package crds.server below the given home."""
import glob
import os
import sys

from distutils.core import setup

setup(
    name="crds.server",
    version="1.1.0",  # until opus_2014.3
    version="1.1.1",  # since opus_2014.3
    description="CRDS server: rules, references and deliveries",
    package_dir={"crds.server": "."},
    packages=["crds.server", "crds.server.interactive", "crds.server.jsonapi", "crds.server.locking",
              "crds.server.fileupload", "crds.server.stats", "crds.server.jpoll", "crds.server.maintenance"],
)
