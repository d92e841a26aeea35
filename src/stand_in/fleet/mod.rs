//! The embedded fleet: hosts as directory trees with addresses, clock, cron, proxy, mail and archive poller.
