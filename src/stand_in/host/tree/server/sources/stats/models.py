"""Request statistics; nothing is kept since 2013."""
