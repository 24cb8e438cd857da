//! What has passed through the proxy so far: when a fault strikes is told by that, never by a clock.

use std::sync::Mutex;
use std::time::Instant;

/// One request, and what had come before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// `POST /api/v1/namespaces`.
    pub(super) line: String,
    /// Whether the run's preflight is over: what comes now is an attempt, a control, or the making of a probe.
    pub(super) begun: bool,
    /// Which exec into a probe this is, from 1, where it is one.
    pub(super) exec: Option<usize>,
    /// Execs that had been asked for, this one too.
    pub(super) execs: usize,
    /// The namespace that it is about.
    pub(super) namespace: Option<String>,
    /// Whether it asks to be told of changes for as long as it likes.
    pub(super) watch: bool,
}

/// Everything that has been asked for.
pub(super) struct Traffic {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rights_asked: bool,
    begun: bool,
    execs: usize,
    struck: usize,
    log: Vec<String>,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), state: Mutex::default() }
    }

    /// Takes note of a request.
    pub(super) fn request(&self, method: &str, path: &str, query: &str, upgrade: bool) -> Seen {
        let mut state = self.lock();
        // The last thing a preflight does is to ask for its rights.
        let asks_itself = path.contains("/selfsubject");
        state.rights_asked |= path.ends_with("/selfsubjectaccessreviews");
        state.begun |= state.rights_asked && !asks_itself;
        let namespace = path.split_once("/namespaces/").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        // Whether somebody may exec is asked without an upgrade, and of a pod that is not there.
        let is_exec = upgrade && path.ends_with("/exec");
        state.execs += usize::from(is_exec);
        let execs = state.execs;
        Seen {
            line: format!("{method} {path}"),
            begun: state.begun,
            exec: is_exec.then_some(execs),
            execs,
            namespace: namespace.map(str::to_owned),
            watch: query.split('&').any(|word| matches!(word, "watch=true" | "watch=1")),
        }
    }

    /// Takes note of what became of it.
    pub(super) fn note(&self, line: &str, what: &str, struck: bool) {
        let at = self.start.elapsed().as_millis();
        let mut state = self.lock();
        state.struck += usize::from(struck);
        state.log.push(format!("{at:>7} ms  {line}  {what}"));
    }

    /// How often a fault has struck, and every exchange, a line each.
    pub(super) fn told(&self) -> (usize, String) {
        let state = self.lock();
        (state.struck, state.log.join("\n") + "\n")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_begun_once_it_knows_its_rights() {
        let traffic = Traffic::new();
        let begun = |path: &str| traffic.request("POST", path, "", false).begun;
        assert!(!begun("/api/v1/nodes"));
        assert!(!begun("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"));
        assert!(begun("/api/v1/namespaces"));
        assert!(begun("/apis/authentication.k8s.io/v1/selfsubjectreviews"));
    }

    #[test]
    fn an_exec_is_counted_where_it_is_meant() {
        let traffic = Traffic::new();
        let exec = |upgrade| traffic.request("GET", "/api/v1/namespaces/b/pods/p/exec", "command=x", upgrade);
        assert_eq!(exec(false).exec, None);
        assert_eq!(exec(true).exec, Some(1));
        let second = exec(true);
        assert_eq!((second.exec, second.namespace.as_deref()), (Some(2), Some("b")));
    }
}
