//! The stand-in for Apache: reads `httpd.conf`, listens, logs and serves what is installed.
