//! The range.
pub mod apt;
pub mod docker_engine;
pub mod metadata_service;
pub mod node_image;
pub mod range;
pub mod tool;
