//! G6.2-G6.4: one namespace must not eat the cluster.
scenarios! { resources: quota_pods }
