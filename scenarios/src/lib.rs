//! The guidance, one live scenario a file.
