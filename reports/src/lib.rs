//! One run in, reports out.
