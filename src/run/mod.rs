//! One run of a plan on a site: folder, journal, evidence, lock, permits, step harness, waiting.
