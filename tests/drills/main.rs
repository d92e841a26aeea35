//! One case per drill file in `fixtures/drills`.
