//! One run in, reports out: JUnit for CI, the record itself as JSON, lines for the terminal.
mod causes;
pub mod closing;
mod files;
mod folder;
mod json;
pub mod junit;
pub mod terminal;
mod xml_text;

pub use folder::Folder;
