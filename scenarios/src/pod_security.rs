//! G3: pods must not own their node.
scenarios! { pod_security: privileged }
