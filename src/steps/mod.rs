//! The table of the steps: what each one is for, needs, looks at, changes and checks. The steps themselves are `tests/upgrade`.
