//! The commands of a stand-in host that replace machine-wide programs and the Python tools of CRDS.
