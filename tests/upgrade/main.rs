//! The steps of the upgrade, in the order of their names.
