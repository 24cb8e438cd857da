//! The engine: knows Kubernetes, knows nothing of any guidance.
pub mod record;
pub mod scenario;
