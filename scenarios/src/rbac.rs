//! G2: an identity may do what it was granted and nothing else.
pub mod matrix;

scenarios! { rbac: default_account_powerless }
