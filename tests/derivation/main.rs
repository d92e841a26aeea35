//! Rules are derived as the real client derives them: recorded cases, and the history of HST OPUS 2014.3.

mod cases;
mod fixture_story;
mod formats;
mod hostile;
mod inputs;
mod small;
mod truth;
