"""Installs the client package."""
import sys

from distutils.core import setup

setup(
    name="crds",
    version="1.1.0",  # until opus_2014.3
    version="1.1.1",  # since opus_2014.3
    description="CRDS client: rules, best references, cache",
    package_dir={"crds": "crds"},
    packages=["crds", "crds.client", "crds.hst", "crds.jwst", "crds.tests"],
)
