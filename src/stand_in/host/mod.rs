//! The tree of one host: scripts, checkouts, stacks, backups and logs as a real server has them.
