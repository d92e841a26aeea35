//! The truth test: from the closure of hst_0279 and one submitted rmap the twelve files of HST OPUS 2014.3 come out.
