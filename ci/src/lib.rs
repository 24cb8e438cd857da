//! The range.
