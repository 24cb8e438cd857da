//! What a node grants to what runs on it.
pub mod contained;
