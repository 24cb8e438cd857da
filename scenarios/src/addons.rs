//! G7: no Tiller, no exposed Dashboard.
pub mod dashboard;
pub mod tiller;

scenarios! { addons: tiller_unreachable, dashboard_not_exposed }
