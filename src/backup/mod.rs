//! Archives of a server: making, listing, restoring and comparing them.
