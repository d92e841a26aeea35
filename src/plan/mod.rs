//! The plan of one upgrade and the site it is carried out on: reading and validating both.
